"""Connections: how they go on after an answer that came before the request's body, and how a stream
that nobody reads ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

import trio
from hypercorn.typing import ConnectionState
from quart import Request, Response
from quart_trio.asgi import TrioASGIHTTPConnection
from werkzeug.wrappers import Response as WsgiResponse

from taskengine.api.arrival import ENDS, ArrivingBody, arriving
from taskengine.api.sizes import BODILESS, max_body
from taskengine.api.sockets import hang_up

EVENT_STREAM = "text/event-stream"
STALLED = 10  # seconds in which nobody reads a stream of events, after which it is dropped
LINGER = 1  # seconds that the rest of a body may take


class Connection(TrioASGIHTTPConnection):
    """The server reports a disconnect as soon as an answer is complete. That must not cancel the
    request, or a connection with an unread body would stay open and never be served again."""

    _answered = False
    _is_stream = False
    _left = False  # the client has gone, or needs nothing more
    _body: ArrivingBody

    async def __call__(self, receive: Any, send: Any) -> None:
        with ExitStack() as ends:
            self.scope.setdefault("state", ConnectionState({}))[ENDS] = ends
            await super().__call__(receive, self._noting_the_end(send))
        with trio.move_on_after(LINGER):  # the server does not end before all it has was taken
            while not (self._left or self._body.is_complete):
                self._left = (await receive())["type"] == "http.disconnect"

    def _create_request_from_scope(self, send: Any) -> Request:
        request = super()._create_request_from_scope(send)
        request.max_content_length = limit = max_body(request.path)
        request.body = self._body = body = ArrivingBody(request.content_length, limit)
        if request.method in BODILESS:
            body.discard()
        return request

    def _noting_the_end(self, send: Any) -> Callable[[Any], Awaitable[None]]:
        async def sending(message: Any) -> None:
            is_body = message["type"] == "http.response.body"
            self._answered = is_body and not message.get("more_body", False)
            self._is_stream |= (b"content-type", EVENT_STREAM.encode()) in message.get(
                "headers", ()
            )
            if is_body and self._is_stream:
                await self._send_if_read(send, message)
            else:
                await send(message)

        return sending

    async def _send_if_read(self, send: Any, message: Any) -> None:
        """The server shields what it sends from cancellation: only a closed socket ends that."""

        async def drop() -> None:
            await trio.sleep(STALLED)
            server, client = self.scope["server"], self.scope["client"]
            if server and server[1] and client:
                hang_up(server[1], client)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drop)
            await send(message)
            nursery.cancel_scope.cancel()

    async def handle_messages(  # type: ignore[override]
        self, nursery: trio.Nursery, request: Request, receive: Any
    ) -> None:
        body = arriving(request)
        while not self._left:
            await body.wanted()
            message = await receive()
            if message["type"] == "http.request":
                body.append(message.get("body", b""))
                if not message.get("more_body", False):
                    body.set_complete()
            else:
                self._left = message["type"] == "http.disconnect"
        if not self._answered:
            nursery.cancel_scope.cancel()


async def read_the_rest(request: Request, response: Response | WsgiResponse) -> None:
    """A client may be sending still, and would not see an answer on a connection that closes. One
    that waits to be asked for its body is not asked."""
    body = arriving(request)
    if body.is_complete:
        return
    waits = request.headers.get("Expect", "").lower() == "100-continue" and not body.is_wanted
    if not waits and not body.is_too_large:
        body.discard()
        with trio.move_on_after(LINGER):
            await body.end()
            return
    close_after(request, response)


def close_after(request: Request, response: Response | WsgiResponse) -> None:
    """Have the client send its next request on another connection."""
    if request.http_version < "2":
        response.headers["Connection"] = "close"
