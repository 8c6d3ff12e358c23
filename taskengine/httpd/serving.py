"""Listening: who connects gets a place, or is told that there is none."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from socket import SO_SNDBUF, SOL_SOCKET, socket
from typing import Any

import trio
from hypercorn.config import Config

from taskengine.httpd.answers import TOO_MANY, ConnectionRefused, written
from taskengine.httpd.connection import HttpConnection
from taskengine.httpd.hypercorn_file import hypercorn_configuration
from taskengine.httpd.limits import ConnectionLimits
from taskengine.httpd.places import Places
from taskengine.httpd.wire import LEFT, Wire
from taskengine.runtime.descriptors import is_lacking

logger = logging.getLogger(__name__)

PAUSE = 0.1  # seconds before accepting again
TOLD = 60.0  # seconds between two lines of one kind
UNREAD = 131_072  # bytes that the system keeps for a client that does not read; it doubles them
TURNED_AWAY = 32  # clients at once that are told so; others are hung up on


@dataclass(slots=True)
class Server:
    """An application on sockets that listen."""

    app: Any  # of ASGI
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    tls: ssl.SSLContext | None = None
    stop: trio.Event = field(default_factory=trio.Event)
    places: Places = field(init=False)
    _config: Config = field(init=False)
    _turned_away: int = field(default=0, init=False)
    _told: dict[str, float] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.places = Places(self.limits)
        self._config = hypercorn_configuration(self.limits)

    async def serve(
        self,
        sockets: Sequence[socket],
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Until `stop` is set; requests on their way then have `grace` seconds."""
        for one in sockets:  # handed on to connections; left to itself the system takes megabytes
            one.setsockopt(SOL_SOCKET, SO_SNDBUF, UNREAD)
        listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(one)) for one in sockets]
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as listening:
                for listener in listeners:
                    listening.start_soon(self._listen, listener, connections)
                task_status.started()
                await self.stop.wait()
                listening.cancel_scope.cancel()
            self.places.close()
            connections.cancel_scope.deadline = trio.current_time() + self.limits.grace

    async def _listen(self, listener: trio.SocketListener, connections: trio.Nursery) -> None:
        async with listener:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:
                    if not is_lacking(error):
                        raise
                    self._tell("no connection can be accepted: %s", error)
                    self.places.make_room()
                    await trio.sleep(PAUSE)
                else:
                    connections.start_soon(self._welcome, stream)

    async def _welcome(self, stream: trio.SocketStream) -> None:
        try:
            with suppress(OSError):  # it has left already
                await self._serve(stream)
        except Exception:
            logger.exception("a connection failed")
        finally:
            with trio.CancelScope() as hurry:
                hurry.cancel()
                await stream.aclose()

    async def _serve(self, stream: trio.SocketStream) -> None:
        client = stream.socket.getpeername()[0]  # an OSError where it has left
        wire: trio.abc.Stream = Wire(stream, self.limits)
        if self.tls:
            wire = trio.SSLStream(wire, self.tls, server_side=True, https_compatible=True)
        connection = HttpConnection(self.app, self._config, self.places, wire, client)
        if not self.places.take(connection):
            self._tell("no place for another connection of %s", client)
            return await self._turn_away(stream)
        try:
            await connection.run()
        finally:
            self.places.give_back(connection)

    async def _turn_away(self, stream: trio.SocketStream) -> None:
        """Some are told why, as long as there are not too many of them."""
        if self.tls or self._turned_away >= TURNED_AWAY:
            return
        self._turned_away += 1
        try:
            with trio.move_on_after(self.limits.linger), suppress(*LEFT):
                await stream.send_all(written(ConnectionRefused(503, TOO_MANY)))
                await stream.send_eof()
                while await stream.receive_some():
                    pass
        finally:
            self._turned_away -= 1

    def _tell(self, line: str, about: object) -> None:
        """Once a minute, whatever hammers at the door."""
        now = trio.current_time()
        if now >= self._told.get(line, -TOLD) + TOLD:
            self._told[line] = now
            logger.warning(line, about)


def url_of(listening: socket, *, tls: bool) -> str:
    """Where it listens."""
    host, port = listening.getsockname()[:2]
    return f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"
