"""A proxy before PostgreSQL that misbehaves as networks, proxies and servers do."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.faults.wire import READY, error, is_cancel, read_message, read_startup

QUERY, SYNC, FLUSH, TERMINATE = b"Q", b"S", b"H", b"X"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the server is made to say to every query, and with FATAL to every newcomer."""

    code: str
    message: str
    severity: str = "ERROR"

    @property
    def raw(self) -> bytes:
        return error(self.code, self.message, self.severity)


@dataclass(slots=True, eq=False)
class Link:
    """One connection of a client, through the proxy."""

    writer: asyncio.StreamWriter
    let_in: bool = False  # the server has said that it takes queries
    silent: bool = False  # half-open: nothing comes through any more, whatever the proxy does


@dataclass(slots=True)
class Proxy:
    """Its methods may be called from any thread but its own."""

    url: str  # of the server
    port: int = 0
    cuts: int = field(default=0, init=False)  # answers that were dropped
    accepted: int = field(default=0, init=False)  # connections
    refusal: Refusal | None = field(default=None, init=False)
    delay: float = field(default=0.0, init=False)  # seconds before each answer
    _pause: float | None = field(default=None, init=False)  # seconds between two cuts
    _next_cut: float = field(default=0.0, init=False)
    _hanging: bool = field(default=False, init=False)
    _links: set[Link] = field(default_factory=set, init=False)
    _listening: asyncio.Server | None = field(default=None, init=False)
    _loop: asyncio.AbstractEventLoop = field(init=False)

    @property
    def own_url(self) -> str:
        """The server's URL, by way of the proxy."""
        parts = urlsplit(self.url)
        user = parts.netloc.rpartition("@")[0]
        return parts._replace(netloc=f"{user}@127.0.0.1:{self.port}").geturl()

    # What the tests do

    def cut(self, per_second: float | None) -> None:
        """Forward what ends a transaction, then drop the answer and the connection."""
        self._pause = None if per_second is None else 1 / per_second

    def refuse(self) -> None:
        """Nobody listens any more, and what was connected is reset."""
        self._call(self._refuse)

    def hang(self) -> None:
        """Accept and say nothing; what was connected stays half-open for ever."""
        self._call(self._hang)

    def cut_all(self) -> None:
        """Reset all connections."""
        self._call(self._reset)

    def resume(self) -> None:
        """Be a good proxy again, to those who come from now on."""
        self.refusal = None
        self._call(self._resume)

    # In the proxy's thread

    def _call(self, act: Callable[[], Awaitable[None]]) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(act(), self._loop)
        done.result(10)

    async def _refuse(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        await self._reset()

    async def _reset(self) -> None:
        for link in list(self._links):
            link.writer.transport.abort()

    async def _hang(self) -> None:
        self._hanging = True
        for link in self._links:
            link.silent = True

    async def _resume(self) -> None:
        self._hanging = False
        if self._listening is None:
            self._listening = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._listening.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(writer, silent=self._hanging)
        self._links.add(link)
        self.accepted += 1
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._relay(link, reader)
        finally:
            self._links.discard(link)
            writer.transport.abort()

    async def _relay(self, link: Link, reader: asyncio.StreamReader) -> None:
        if link.silent:
            await reader.read()
            return
        startup = await read_startup(reader, link.writer)
        if self.refusal is not None and self.refusal.severity == "FATAL":
            link.writer.write(self.refusal.raw)
            await link.writer.drain()
            return
        answers, server = await self._connect()
        server.write(startup)
        try:
            if not is_cancel(startup):
                await _first_done(self._forward(link, reader, server), self._answer(link, answers))
        finally:
            server.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        to = urlsplit(self.url)
        return await asyncio.open_connection(to.hostname, to.port)

    async def _forward(
        self, link: Link, reader: asyncio.StreamReader, server: asyncio.StreamWriter
    ) -> None:
        told = False
        while True:
            message = await read_message(reader)
            if link.silent:
                continue
            if self.refusal is None or not link.let_in:
                server.write(message.raw)
            elif message.kind in (QUERY, SYNC, FLUSH):
                told = await self._refuse_query(link, message.kind, told)
                if self.refusal.severity == "FATAL":
                    return

    async def _refuse_query(self, link: Link, kind: bytes, told: bool) -> bool:
        """An error for each query, told once; whether it was, and the query is not over."""
        assert self.refusal is not None
        fatal = self.refusal.severity == "FATAL"
        ready = kind != FLUSH and not fatal
        link.writer.write((b"" if told else self.refusal.raw) + (READY if ready else b""))
        await link.writer.drain()
        return not ready

    async def _answer(self, link: Link, answers: asyncio.StreamReader) -> None:
        while True:
            message = await read_message(answers)
            if self.delay:
                await asyncio.sleep(self.delay)
            if link.silent:
                continue
            if message.ends_transaction:
                if link.let_in and self._is_to_be_cut():
                    return
                link.let_in = True
            link.writer.write(message.raw)

    def _is_to_be_cut(self) -> bool:
        now = time.monotonic()
        if self._pause is None or now < self._next_cut:
            return False
        self._next_cut = now + self._pause
        self.cuts += 1
        return True


async def _first_done(*both: Awaitable[None]) -> None:
    tasks = [asyncio.ensure_future(one) for one in both]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def proxied(url: str, kind: Callable[[str], Proxy] = Proxy) -> Iterator[Proxy]:
    """A proxy before the server at `url`, for the length of the block."""
    proxy = kind(url)
    started, stop = threading.Event(), threading.Event()

    async def run() -> None:
        proxy._loop = asyncio.get_running_loop()
        await proxy._resume()
        started.set()
        await proxy._loop.run_in_executor(None, stop.wait)
        await proxy._refuse()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert started.wait(10)
        yield proxy
    finally:
        stop.set()
        thread.join(10)
