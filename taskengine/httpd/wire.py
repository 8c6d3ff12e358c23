"""A stream whose writes end: a client that does not read, or hardly, is dropped."""

from __future__ import annotations

import select
import socket
import struct
from contextlib import suppress

import trio

from taskengine.httpd.limits import ConnectionLimits

LEFT = (trio.BrokenResourceError, trio.ClosedResourceError)  # what a client is then


class Wire(trio.abc.HalfCloseableStream):
    """A TCP stream. One write may go on for as long as the client reads, `stalled` seconds a time,
    `slowest` bytes a second. A write that was cancelled leaves the stream broken."""

    def __init__(self, stream: trio.SocketStream, limits: ConnectionLimits) -> None:
        self._stream = stream
        self.socket = stream.socket
        self._limits = limits

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        limits, start = self._limits, trio.current_time()
        last = start + limits.stalled + len(data) / limits.slowest
        with trio.CancelScope(deadline=start + limits.stalled) as patience:
            try:
                sent = await self.socket.send(data)
                while sent < len(data):
                    patience.deadline = min(last, trio.current_time() + limits.stalled)
                    sent += await self.socket.send(memoryview(data)[sent:])
            except OSError as error:
                raise trio.BrokenResourceError(str(error)) from error
        if patience.cancelled_caught:
            self._abort()
            raise trio.BrokenResourceError("nobody reads")

    @property
    def has_arrived(self) -> bool:
        """Whether something waits to be read."""
        watched = select.poll()
        watched.register(self.socket.fileno(), select.POLLIN)
        return bool(watched.poll(0))

    def _abort(self) -> None:
        """Have the connection reset when it is closed: else the system keeps what nobody reads."""
        with suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()
