"""One request and its answer, as an ASGI application sees them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from math import inf
from typing import Any
from urllib.parse import unquote

import h11
import trio

from taskengine.httpd.answers import FAILED, NO_SNIFFING, Refused, date, refusal
from taskengine.httpd.limits import Limits

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Application = Callable[[Any, Any, Any], Awaitable[None]]  # scope, receive, send
Address = tuple[str, int]
PIECE = 65_536  # bytes that are read at once
DISCONNECT = {"type": "http.disconnect"}
EVENT_STREAM = b"text/event-stream"


@dataclass(slots=True)
class Link:
    """A connection, as its requests share it."""

    stream: trio.abc.Stream
    http: h11.Connection
    limits: Limits
    client: Address
    server: Address
    scheme: str
    is_last: Callable[[], bool]  # whether the connection ends with this request


class Exchange:
    def __init__(self, link: Link, request: h11.Request) -> None:
        self._link = link
        self._request = request
        self._start: Message | None = None  # of an answer; it goes out with the first of its body
        self._began = False
        self._is_read = False  # the body
        self._is_endless = False
        self._gone = False
        self._refusal = Refused(HTTPStatus.INTERNAL_SERVER_ERROR, FAILED)

    async def run(self, app: Application) -> None:
        """Until it is answered. Raises Refused for what the application did not answer, and
        BrokenResourceError where the connection ends with it."""
        try:
            await app(self._scope(), self.receive, self.send)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            self._gone = True
        except* Exception:
            logger.exception("the application failed")
        if self._gone or (self._began and self._link.http.our_state is h11.SEND_BODY):
            raise trio.BrokenResourceError("the client left, or has half an answer")
        if not self._began:
            raise self._refusal

    def _scope(self) -> Message:
        request, link = self._request, self._link
        path, _, query = request.target.partition(b"?")
        return {
            "type": "http",
            "asgi": {"spec_version": "2.1", "version": "3.0"},
            "http_version": request.http_version.decode(),
            "method": request.method.decode(),
            "scheme": link.scheme,
            "path": unquote(path.decode()),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": list(request.headers),
            "client": link.client,
            "server": link.server,
            "extensions": {},
        }

    async def receive(self) -> Message:
        """A part of the body; after it, the client's departure. Who closes its sending side has
        only said that no more requests come: it is still answered."""
        try:
            if not self._is_read:
                return await self._body()
            await self._until_gone()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._gone = True
        except h11.RemoteProtocolError as error:
            self._refusal = refusal(error, b"")
        return DISCONNECT

    async def _body(self) -> Message:
        http = self._link.http
        await trio.lowlevel.checkpoint()  # thousands of small chunks may have come at once
        if http.they_are_waiting_for_100_continue and not self._began:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            await self._link.stream.send_all(http.send(go_on))
        while (event := http.next_event()) is h11.NEED_DATA:
            http.receive_data(bytes(await self._link.stream.receive_some(PIECE)))
        if isinstance(event, h11.Data):
            return {"type": "http.request", "body": bytes(event.data), "more_body": True}
        self._is_read = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _until_gone(self) -> None:
        """A stream of events has no end of its own: it ends when its reader has no more to say."""
        link = self._link
        ahead, closed = link.http.trailing_data
        while not (ahead or closed):
            link.http.receive_data(bytes(await link.stream.receive_some(PIECE)))
            ahead, closed = link.http.trailing_data
        if not (closed and self._is_endless):
            with trio.move_on_after(link.limits.half_closed if closed else inf):
                await trio.sleep_forever()

    async def send(self, message: Message) -> None:
        """Raises BrokenResourceError where nobody reads it."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        parts = [] if self._began else [self._head()]
        body, http = bytes(message.get("body", b"")), self._link.http
        if body and not self._has_no_body:
            parts.append(http.send(h11.Data(data=body)))
        if not message.get("more_body", False):
            parts.append(http.send(h11.EndOfMessage()))
        if data := b"".join(parts):
            await self._link.stream.send_all(data)

    def _head(self) -> bytes:
        assert self._start is not None, "an answer's body before its start"
        headers = [(bytes(name), bytes(value)) for name, value in self._start["headers"]]
        known = dict(headers)
        self._is_endless = known.get(b"content-type") == EVENT_STREAM
        headers.append((b"date", date()))
        if NO_SNIFFING[0] not in known:
            headers.append(NO_SNIFFING)
        if self._link.is_last():
            headers.append((b"connection", b"close"))
        self._began = True
        return self._link.http.send(
            h11.Response(status_code=self._start["status"], headers=headers)
        )

    @property
    def _has_no_body(self) -> bool:
        assert self._start is not None
        return self._request.method == b"HEAD" or self._start["status"] in (204, 304)
