"""A PostgreSQL server that is stopped, killed and frozen at will, on the embedded binaries."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from taskengine.embedded.account import database_account
from taskengine.embedded.child import stop
from taskengine.embedded.cluster import DATABASE, SETTINGS, USER, Cluster
from taskengine.embedded.postgres import _binary as postgres_binary
from tests.chaos.children import ended
from tests.chaos.ports import held_port

START_SECONDS = 60.0


@dataclass(slots=True)
class Outage:
    """A time without the database; `until` is None as long as it lasts."""

    since: float  # Unix time
    until: float | None = None


@dataclass(slots=True)
class Postgres:
    """The server of a run and its outages."""

    folder: Path
    log: Path
    port: int
    outages: list[Outage] = field(default_factory=list)
    starts: int = 0
    _cluster: Cluster = field(init=False)
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self._cluster = Cluster(self.folder, postgres_binary())

    @property
    def url(self) -> str:
        password = (self.folder / "password").read_text()
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def is_up(self) -> bool:
        return not (self.outages and self.outages[-1].until is None)

    async def start(self) -> None:
        """Start it, and wait until it takes connections; again while its memory is in use."""
        with trio.fail_after(START_SECONDS):
            while not await self._start_once():
                await trio.sleep(0.2)
        self.starts += 1
        if not self.is_up:
            self.outages[-1].until = time.time()

    async def _start_once(self) -> bool:
        data = self.folder / "data"
        with self.log.open("a") as log, contextlib.redirect_stdout(log):
            self._cluster.prepare()
            options = [f"-c{name}={value}" for name, value in SETTINGS.items()]
            account = database_account(data, postgres_binary())
            command = [str(postgres_binary()), "-D", str(data), *options, f"-cport={self.port}"]
            self._process = account.start(command, signal.SIGQUIT, output=log.fileno())
        while self._process.poll() is None:
            if self._cluster.ready(self._process, self.port):
                return True
            await trio.sleep(0.02)
        return False

    async def stop(self, number: signal.Signals) -> None:
        """SIGINT stops it politely, SIGQUIT as if it had crashed, SIGKILL leaves its children."""
        assert self._process is not None
        self._begin_outage()
        self._process.send_signal(number)
        await ended(self._process)

    async def freeze(self, seconds: float) -> None:
        """All of its processes stand still for a while: connections hang rather than break."""
        assert self._process is not None
        self._begin_outage()
        frozen = [self._process.pid, *_children(self._process.pid)]
        try:
            _signal(frozen, signal.SIGSTOP)
            await trio.sleep(seconds)
        finally:
            _signal(frozen, signal.SIGCONT)
        self.outages[-1].until = time.time()

    def _begin_outage(self) -> None:
        self.outages.append(Outage(time.time()))

    def close(self) -> None:
        if self._process is not None:
            stop(self._process, self._cluster.stops)


def _children(parent: int) -> list[int]:
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(child) for child in listed.split()]


def _signal(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


@asynccontextmanager
async def running_postgres(folder: Path) -> AsyncIterator[Postgres]:
    """A server with an empty database, for the length of the block."""
    folder.mkdir()
    if os.geteuid() == 0:
        folder.chmod(0o711)
    password = folder / "password"
    password.touch(0o600)
    password.write_text(os.urandom(16).hex())
    with held_port() as port:
        server = Postgres(folder, folder.with_suffix(".log"), port)
        try:
            await server.start()
            yield server
        finally:
            server.close()
