"""Connections: when a request's body is taken from the server, and how they go on after an answer
that came before it."""

from __future__ import annotations

from collections.abc import MutableMapping
from contextlib import ExitStack
from typing import Any, cast

import trio
from quart import Request, Response
from quart_trio.asgi import TrioASGIHTTPConnection
from werkzeug.wrappers import Response as WsgiResponse

from taskengine.api.arrival import ENDS, ArrivingBody, arriving
from taskengine.api.sizes import BODILESS, max_body

EVENT_STREAM = "text/event-stream"
LINGER = 1  # seconds that the rest of a body may take


class AsgiConnection(TrioASGIHTTPConnection):
    """A request with the limit of its path, whose body comes when it is wanted."""

    async def __call__(self, receive: Any, send: Any) -> None:
        with ExitStack() as ends:
            cast(MutableMapping[str, Any], self.scope)[ENDS] = ends
            await super().__call__(receive, send)

    def _create_request_from_scope(self, send: Any) -> Request:
        request = super()._create_request_from_scope(send)
        request.max_content_length = limit = max_body(request.path)
        request.body = body = ArrivingBody(request.content_length, limit)
        if request.method in BODILESS:
            body.discard()
        return request

    async def handle_messages(  # type: ignore[override]
        self, nursery: trio.Nursery, request: Request, receive: Any
    ) -> None:
        body = arriving(request)
        while True:
            await body.wanted()
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            body.append(message.get("body", b""))
            if not message.get("more_body", False):
                body.set_complete()
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
