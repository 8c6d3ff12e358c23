"""Connections: how they go on after an answer that came before the request's body."""

from __future__ import annotations

from typing import Any

import trio
from quart import Request, Response
from quart_trio.asgi import TrioASGIHTTPConnection
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WsgiResponse

from taskengine.api.documents import max_body

EVENT_STREAM = "text/event-stream"
LINGER = 1  # seconds that the rest of a body may take


class Connection(TrioASGIHTTPConnection):
    """A request with the limit of its path."""

    def _create_request_from_scope(self, send: Any) -> Request:
        request = super()._create_request_from_scope(send)
        request.max_content_length = limit = max_body(request.path)
        request.body = request.body_class(request.content_length, limit)
        return request


async def read_the_rest(request: Request, response: Response | WsgiResponse) -> None:
    """A client may be sending still, and would not see an answer on a connection that closes."""
    with trio.move_on_after(LINGER) as waited:
        try:
            await request.body
        except HTTPException:  # it is too large
            waited.cancel()
            await trio.lowlevel.checkpoint()
    if waited.cancelled_caught:
        close_after(request, response)


def close_after(request: Request, response: Response | WsgiResponse) -> None:
    """Have the client send its next request on another connection."""
    if request.http_version < "2":
        response.headers["Connection"] = "close"
