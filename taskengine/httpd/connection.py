"""hypercorn's connection, with an end to each of its waits."""

from __future__ import annotations

from contextlib import suppress
from math import inf
from typing import Any

import h11
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.trio.tcp_server import MAX_RECV, TCPServer
from hypercorn.trio.worker_context import WorkerContext

from taskengine.httpd.answers import TOO_LATE, TOO_MANY, ConnectionRefused, written
from taskengine.httpd.places import Places, is_loopback, network_of
from taskengine.httpd.protocol import Protocol
from taskengine.httpd.wire import LEFT, Wire


class HttpConnection(TCPServer):
    """Its place goes to somebody else while it waits for a request, if it is needed there.

    `handle` returns when the requests in what came are answered, so end-of-file is handed on only
    where none is under way. hypercorn takes it for a departure of who is still to be answered.
    """

    def __init__(
        self, app: Any, config: Config, places: Places, stream: trio.abc.Stream, client: str
    ) -> None:
        super().__init__(app, config, WorkerContext(None), {}, stream)  # type: ignore[arg-type]
        self.network = None if is_loopback(client) else network_of(client)
        self.places = places
        self.limits = places.limits
        self.http: Protocol
        self.idle_task = self  # type: ignore[assignment]
        self._waiting = trio.CancelScope()
        self._deadline = -inf
        self._has_begun = False  # the next head
        self._is_dismissed = False
        self._is_over = False
        self._unsent = b""

    # What hypercorn starts a task for, and cancels it, with each request.

    async def restart(self, *_: object) -> None:
        """It waits for a request."""
        self._deadline = trio.current_time() + self.limits.idle
        self._has_begun = False
        self.places.idle(self)

    async def stop(self) -> None:
        """A request is there."""
        self.places.busy(self)

    def leave(self) -> None:
        """End it, instead of waiting for its next request. When the server stops, a request that
        has just arrived is answered still."""
        if self.places.closing and isinstance(self.stream, Wire) and self.stream.has_arrived:
            return
        self._is_dismissed = True
        self._waiting.cancel()

    async def _read_data(self) -> None:
        """Until one side ends it, and what was asked is answered."""
        self.protocol.protocol = self.http = Protocol(self, self.protocol)
        self._deadline = trio.current_time() + self.limits.head
        with suppress(*LEFT):
            try:
                await self._read_requests()
            except ConnectionRefused as refused:
                await self.refuse(refused)

    async def _read_requests(self) -> None:
        """Raises ConnectionRefused, also for a head that takes longer than `head` seconds from its
        first byte: hypercorn waits for as long as it likes."""
        while not self._is_over:
            if not self._has_begun and self.http.parser.trailing_data[0]:
                self._has_begun = True
                self._deadline = trio.current_time() + self.limits.head
                self.places.begins(self)
            data = await self._received(self._deadline)
            if data is None and self._has_begun:
                raise (
                    ConnectionRefused(503, TOO_MANY)
                    if self._is_dismissed
                    else ConnectionRefused(408, TOO_LATE)
                )
            if data is not None:
                await self.protocol.handle(RawData(data))
            if not data:
                break

    async def _received(self, deadline: float) -> bytes | None:
        """What the client sends; None if it is too late, or its place is needed."""
        with trio.CancelScope(deadline=-inf if self._is_dismissed else deadline) as self._waiting:
            return bytes(await self.stream.receive_some(MAX_RECV))
        return None

    async def protocol_send(self, event: Event) -> None:
        """Parts of an answer wait for `flush`: hypercorn sends each in a packet of its own, and is
        not to be cancelled then. It closes inside of a request, here its connection ends later."""
        if isinstance(event, RawData):
            self._unsent += event.data
        elif not isinstance(event, Closed):
            await super().protocol_send(event)
        elif not self._is_over:
            self._is_over = True
            with suppress(*LEFT):
                await self.flush()
            await self.protocol.handle(event)

    async def flush(self) -> None:
        """Raises BrokenResourceError where nobody reads it."""
        async with self.send_lock:
            data, self._unsent = self._unsent, b""
            if data:
                await self.stream.send_all(data)

    async def refuse(self, refused: ConnectionRefused) -> None:
        """Instead of an answer, if none has begun; it is the last of the connection."""
        if self.http.parser.our_state in {h11.IDLE, h11.SEND_RESPONSE} and not self._is_over:
            await self.protocol_send(RawData(written(refused)))
        await self.protocol_send(Closed())

    async def _close(self) -> None:
        """To close while the client sends would reset the connection, and lose an answer that it
        did not wait for: read on for a moment."""
        if not hasattr(self, "http"):  # it left before it was here
            return
        parser, stream = self.http.parser, self.stream
        is_sending = parser.their_state in {h11.SEND_BODY, h11.ERROR} or parser.trailing_data[0]
        deadline = trio.current_time() + self.limits.linger
        with suppress(*LEFT):
            if is_sending and isinstance(stream, trio.abc.HalfCloseableStream):
                await stream.send_eof()
                self.places.idle(self)
                while await self._received(deadline):
                    pass
            with trio.move_on_after(self.limits.linger):
                await super()._close()
