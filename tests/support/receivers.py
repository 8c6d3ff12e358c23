"""What engines call: a small HTTP server, each of whose answers a test decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import h11
import trio

Answer = Callable[[h11.Request, bytes], Awaitable[int | None]]  # a status; None: hang up


async def serve_requests(answer: Answer, stream: trio.SocketStream) -> None:
    """Answer one request after the other, until the other side goes, or is left alone."""
    connection = h11.Connection(h11.SERVER)
    try:
        async with stream:
            while (request := await _next_request(stream, connection)) is not None:
                status = await answer(*request)
                if status is None:
                    return
                head = h11.Response(status_code=status, headers=[("content-length", "0")])
                data = connection.send(head) or b""
                await stream.send_all(data + (connection.send(h11.EndOfMessage()) or b""))
                connection.start_next_cycle()
    except (h11.ProtocolError, trio.BrokenResourceError):
        return


async def _next_request(
    stream: trio.SocketStream, connection: h11.Connection
) -> tuple[h11.Request, bytes] | None:
    request: h11.Request | None = None
    body = bytearray()
    while True:
        match connection.next_event():
            case h11.NEED_DATA:
                connection.receive_data(await stream.receive_some())
            case h11.Request() as request:
                pass
            case h11.Data(data=data):
                body += data
            case h11.EndOfMessage() if request is not None:
                return request, bytes(body)
            case _:
                return None
