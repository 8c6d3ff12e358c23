"""Bodies of requests that may break off on the way."""

from __future__ import annotations

import httpx


class Body(httpx.AsyncByteStream):
    """It is no generator, as httpx's own is: one that breaks off leaves nothing to be finalized."""

    def __init__(self, content: bytes) -> None:
        self._parts = [content] if content else []

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        if not self._parts:
            raise StopAsyncIteration
        return self._parts.pop()


async def send(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """Send a request of which all is known beforehand, and that may be cut or cancelled."""
    request.stream = Body(request.content)
    return await client.send(request)
