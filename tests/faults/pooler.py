"""A transaction pooler, as PgBouncer is one: each transaction goes to any of a few sessions.

A client's login is relayed to the server on a session that all clients share from then on. What a
client left in a session (a prepared statement, a LISTEN) is there for others, and not for itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from dataclasses import dataclass, field

from tests.faults.proxy import TERMINATE, Proxy
from tests.faults.wire import Message, is_cancel, read_message, read_startup

SESSIONS = 3
NOTIFICATION, BACKEND_KEY = b"A", b"K"
Session = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Pooler(Proxy):
    """Its sessions are taken in turn."""

    _idle: asyncio.Queue[Session] = field(default_factory=asyncio.Queue, init=False)
    _servers: list[asyncio.StreamWriter] = field(default_factory=list, init=False)
    _sessions: int = field(default=0, init=False)

    async def _relay(self, link, reader) -> None:
        startup = await read_startup(reader, link.writer)
        if is_cancel(startup):
            return
        await self._log_in(link, reader, startup)
        while True:
            message = await read_message(reader)
            if message.kind == TERMINATE:
                return
            session = await self._idle.get()
            try:
                await self._transaction(session, message, link, reader)
            except BaseException:  # in the middle of a transaction: nobody can use it
                self._sessions -= 1
                session[1].transport.abort()
                raise
            self._idle.put_nowait(session)

    async def _refuse(self) -> None:
        await Proxy._refuse(self)
        for server in self._servers:
            server.transport.abort()

    async def _connect(self) -> Session:
        answers, server = await Proxy._connect(self)
        self._servers.append(server)
        return answers, server

    async def _log_in(self, link, reader, startup: bytes) -> None:
        answers, server = await self._connect()
        server.write(startup)
        forward = asyncio.ensure_future(self._passwords(reader, server))
        try:
            while not (message := await read_message(answers)).ends_transaction:
                if message.kind == BACKEND_KEY:  # its own, not the server's
                    message = Message(BACKEND_KEY, struct.pack("!II", 1, 1))
                link.writer.write(message.raw)
        finally:
            forward.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await forward
        link.writer.write(message.raw)
        if self._sessions < SESSIONS:
            self._sessions += 1
            self._idle.put_nowait((answers, server))
        else:
            server.transport.abort()

    async def _passwords(self, reader, server) -> None:
        while True:
            server.write((await read_message(reader)).raw)

    async def _transaction(self, session: Session, first: Message, link, reader) -> None:
        answers, server = session
        server.write(first.raw)
        forward = asyncio.ensure_future(self._passwords(reader, server))
        try:
            while True:
                message = await read_message(answers)
                if message.kind != NOTIFICATION:
                    link.writer.write(message.raw)
                if message.ends_transaction:
                    return
        finally:
            forward.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await forward
