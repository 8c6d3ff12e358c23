"""One connection: heads that come in time, requests one after the other, a polite end."""

from __future__ import annotations

from contextlib import suppress
from math import inf

import h11
import trio

from taskengine.httpd.answers import TOO_LATE, TOO_MANY, Refused, check, refusal, written
from taskengine.httpd.exchange import PIECE, Address, Application, Exchange, Link
from taskengine.httpd.limits import Limits
from taskengine.httpd.places import Places, is_loopback, network_of
from taskengine.httpd.wire import Wire

LEFT = (trio.BrokenResourceError, trio.ClosedResourceError)


class Connection:
    """Its place goes to somebody else while it waits for a request, if it is needed there."""

    def __init__(
        self, stream: trio.abc.Stream, client: Address, server: Address, places: Places
    ) -> None:
        self.network = None if is_loopback(client[0]) else network_of(client[0])
        self._limits: Limits = places.limits
        self._places = places
        self._waiting = trio.CancelScope()
        self._dismissed = False
        self._requests = 0
        is_tls = isinstance(stream, trio.SSLStream)
        self._link = Link(
            stream,
            h11.Connection(h11.SERVER, max_incomplete_event_size=self._limits.head_size),
            self._limits,
            client,
            server,
            "https" if is_tls else "http",
            lambda: places.closing or self._requests >= self._limits.requests,
        )

    def leave(self) -> None:
        """End it, instead of waiting for its next request. When the server stops, a request that
        has just arrived is answered still."""
        stream = self._link.stream
        if self._places.closing and isinstance(stream, Wire) and stream.has_arrived:
            return
        self._dismissed = True
        self._waiting.cancel()

    async def run(self, app: Application) -> None:
        """Until one side ends it, and what was asked is answered."""
        try:
            await self._shake_hands()
            while (request := await self._request()) is not None:
                self._requests += 1
                await Exchange(self._link, request).run(app)
                if not self._goes_on():
                    break
            await self._end(is_awaited=self._is_settled())
        except Refused as refused:
            with suppress(*LEFT):
                await self._link.stream.send_all(written(refused))
                await self._end(is_awaited=False)
        except LEFT:
            return

    async def _shake_hands(self) -> None:
        if isinstance(stream := self._link.stream, trio.SSLStream):
            with trio.move_on_after(self._limits.head) as patience:
                await stream.do_handshake()
            if patience.cancelled_caught:
                raise trio.BrokenResourceError("no handshake")

    async def _request(self) -> h11.Request | None:
        """The next one; None if none comes. Raises Refused, also for a head that takes longer than
        `head` seconds from its first byte."""
        http, limits, places = self._link.http, self._limits, self._places
        begun = bool(http.trailing_data[0])
        patience = limits.head if begun or not self._requests else limits.idle
        deadline = trio.current_time() + patience
        places.idle(self)
        try:
            while (event := http.next_event()) is h11.NEED_DATA:
                if begun:
                    places.begins(self)
                if (data := await self._received(deadline)) is None:
                    break
                http.receive_data(data)
                if data and not begun:
                    begun, deadline = True, trio.current_time() + limits.head
        except h11.RemoteProtocolError as error:
            raise refusal(error, http.trailing_data[0]) from None
        finally:
            places.busy(self)
        if event is h11.NEED_DATA and begun:
            raise Refused(503, TOO_MANY) if self._dismissed else Refused(408, TOO_LATE)
        if not isinstance(event, h11.Request):
            return None
        check(event)
        return event

    async def _received(self, deadline: float) -> bytes | None:
        """What the client sends; None if it is too late, or its place is needed."""
        with trio.CancelScope(deadline=-inf if self._dismissed else deadline) as self._waiting:
            return bytes(await self._link.stream.receive_some(PIECE))
        return None

    def _goes_on(self) -> bool:
        http = self._link.http
        if http.our_state is h11.DONE and http.their_state is h11.DONE:
            http.start_next_cycle()
            return True
        return False

    def _is_settled(self) -> bool:
        """Whether nothing is on its way from the client."""
        http = self._link.http
        return http.their_state is not h11.SEND_BODY and not http.trailing_data[0]

    async def _end(self, *, is_awaited: bool) -> None:
        """To close while the client sends would reset the connection, and lose an answer that it
        did not wait for: read on for a moment."""
        stream = self._link.stream
        if not is_awaited and isinstance(stream, trio.abc.HalfCloseableStream):
            await stream.send_eof()
            self._places.idle(self)
            deadline = trio.current_time() + self._limits.linger
            while await self._received(deadline):
                pass
        with trio.move_on_after(self._limits.linger):
            await stream.aclose()
