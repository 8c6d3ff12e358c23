"""hypercorn's HTTP/1.1, without what is not served, and with all that a client is told."""

from __future__ import annotations

import logging
from http import HTTPStatus
from math import inf
from typing import TYPE_CHECKING, Any

import h11
import trio
from hypercorn.events import Closed, RawData
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.events import EndBody, Event, Request, Response
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.trio.tcp_server import MAX_RECV

from taskengine.httpd.answers import FAILED, NO_SNIFFING, ConnectionRefused, check, refusal
from taskengine.httpd.chunks import Chunks
from taskengine.httpd.wire import LEFT

if TYPE_CHECKING:
    from taskengine.httpd.connection import HttpConnection

logger = logging.getLogger(__name__)

DISCONNECT = {"type": "http.disconnect"}
EVENT_STREAM = (b"content-type", b"text/event-stream")


class Parser(h11.Connection):
    """h11 with errors that are told: hypercorn answers them with a status alone, and knows fewer.
    Its reader waits where a request is ahead of the last answer (PAUSED); here it answers."""

    they_are_waiting_for_100_continue = False  # hypercorn asks for bodies unasked

    def next_event(self) -> Any:
        """Raises ConnectionRefused."""
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            raise refusal(error, self.trailing_data[0]) from None
        if isinstance(event, h11.Request):
            check(event)
        return h11.NEED_DATA if event is h11.PAUSED else event


class Protocol(H11Protocol):
    """One connection's requests, one after the other."""

    stream: Exchange | None

    def __init__(self, link: HttpConnection, known: ProtocolWrapper) -> None:
        places = (known.client, known.server)
        state = (known.app, known.config, known.context, known.task_group, known.state)
        super().__init__(*state, known.ssl, *places, known.send)
        self.link = link
        size = known.config.h11_max_incomplete_size
        self.connection = self.parser = Parser(h11.SERVER, max_incomplete_event_size=size)

    async def _check_protocol(self, event: h11.Request) -> None:
        """No change to HTTP/2, for which no bound is known here; what can be refused was."""

    async def _create_stream(self, request: h11.Request) -> None:
        """Answer it. Upgrades to websockets, which nobody serves here, are ignored."""
        self.stream = exchange = Exchange(self)
        self.keep_alive_requests += 1
        await exchange.handle(
            Request(
                stream_id=STREAM_ID,
                headers=list(request.headers),
                http_version=request.http_version.decode(),
                method=request.method.decode(),
                raw_path=request.target,
                state=self.connection_state,
            )
        )
        await exchange.run()

    async def stream_send(self, event: Event) -> None:
        """With what all answers have; the last before the server stops ends the connection."""
        if isinstance(event, Response):
            if self.link.places.closing:
                self.keep_alive_requests = self.config.keep_alive_max_requests
            if not any(name == NO_SNIFFING[0] for name, _ in event.headers):
                event.headers.append(NO_SNIFFING)
        await super().stream_send(event)


class Exchange(HTTPStream):
    """The application runs in its connection's task, and nothing is read that it does not receive.

    hypercorn starts a task and a queue for each request, and fills the queue from the socket.
    """

    def __init__(self, http: Protocol) -> None:
        known = (http.app, http.config, http.context, self, http.ssl, http.client, http.server)
        super().__init__(*known, http.stream_send, STREAM_ID)  # type: ignore[arg-type]
        self._app: Any = http.app
        self._link = http.link
        self._parser = http.parser
        self._start: Any = None  # of an answer; it goes out with the first of its body
        self._is_read = False  # the body
        self._chunks = Chunks()
        self._refusal = ConnectionRefused(HTTPStatus.INTERNAL_SERVER_ERROR, FAILED)

    async def spawn_app(self, *_: object) -> Any:
        """As of a task group, but `run` runs it, and nothing is put into a queue."""

    async def run(self) -> None:
        """Until it is answered, or given up with its connection."""
        try:
            await self._app(self.scope, self.receive, self._answer)
        except* LEFT:
            await self._link.protocol_send(Closed())
        except* Exception:
            logger.exception("the application failed")
        if self._parser.their_state is h11.SEND_BODY and self.state is ASGIHTTPState.CLOSED:
            self._parser.next_event()  # the end of a body that nobody received
        await self.app_send(None)

    async def receive(self) -> Any:
        """A part of the body; after it, the client's departure. Who closes its sending side has
        only said that no more requests come: it is still answered."""
        await trio.lowlevel.checkpoint()
        try:
            if not (self._is_read or self.closed):
                return await self._body()
            await self._until_gone()
        except LEFT:
            await self._link.protocol_send(Closed())
        except ConnectionRefused as refused:
            self._refusal = refused
        return DISCONNECT

    async def _body(self) -> Any:
        parser, link = self._parser, self._link
        if parser.client_is_waiting_for_100_continue and self._start is None:
            go_on = parser.send(h11.InformationalResponse(status_code=100, headers=[]))
            await link.protocol_send(RawData(go_on or b""))
            await link.flush()
        part = bytearray()
        while not self._is_read:
            event = parser.next_event()
            if isinstance(event, h11.Data):
                part += event.data
                self._chunks.count(event)
                await trio.lowlevel.checkpoint()  # thousands of small chunks may come at once
            elif event is not h11.NEED_DATA:
                self._is_read = True
            elif part:
                break
            else:
                parser.receive_data(bytes(await link.stream.receive_some(MAX_RECV)))
        return {"type": "http.request", "body": bytes(part), "more_body": not self._is_read}

    async def _until_gone(self) -> None:
        """A stream of events has no end of its own: it ends when its reader has no more to say."""
        parser = self._parser
        ahead, closed = parser.trailing_data
        while not (ahead or closed or self.closed):
            parser.receive_data(bytes(await self._link.stream.receive_some(MAX_RECV)))
            ahead, closed = parser.trailing_data
        is_endless = self._start is not None and EVENT_STREAM in self._start["headers"]
        if not (self.closed or (closed and is_endless)):
            with trio.move_on_after(self._link.limits.half_closed if closed else inf):
                await trio.sleep_forever()

    async def _answer(self, message: Any) -> None:
        """Its head and the first of its body in one packet. Raises BrokenResourceError where
        nobody reads it: hypercorn has applications write on to who has left."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        if self.state is ASGIHTTPState.REQUEST:
            await self.app_send(self._start)
        await self.app_send(message)
        await self._link.flush()

    async def _send_closed(self) -> None:
        """The next request comes when the application has ended, which may receive until then."""
        await self.send(EndBody(stream_id=STREAM_ID))
        self.state = ASGIHTTPState.CLOSED

    async def _send_error_response(self, status_code: int) -> None:
        """It is told in JSON."""
        await self._link.refuse(self._refusal)
