"""Instances of the engine as real processes, each on a port that stays its own."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import trio

from tests.chaos.children import ended, spawn
from tests.chaos.place import DRAIN, ROOT, Place

READY_SECONDS = 90.0
STOP_SECONDS = DRAIN + 20.0
# An entry of the log at that level: its line and, below it, the traceback.
ERROR_ENTRY = re.compile(r"^\S+Z ERROR .*(?:\n(?!\S+Z [A-Z]+ ).*)*", re.MULTILINE)


@dataclass(slots=True)
class Instance:
    """One after the other, the processes of one instance; `process` names the present one."""

    name: str
    port: int
    place: Place
    database_url: str
    redis_url: str
    tree: Path = ROOT  # below which its next process has the program
    troubles: list[str] = field(default_factory=list)  # what must not have happened
    is_free: bool = True  # no fault has it at the moment
    away: list[tuple[float, float]] = field(default_factory=list)  # when faults had it, Unix time
    _number: int = 0
    _child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> str:
        return f"{self.name}{self._number}"

    @property
    def child(self) -> subprocess.Popen[bytes]:
        assert self._child is not None
        return self._child

    def start(self) -> None:
        """Start a process whose connections tell its name to the auditor."""
        self._number += 1
        url = f"{self.database_url}?audit.process={self.process}"
        env = self.place.environment(url, self.redis_url, self.port, self.tree)
        self._child = spawn(self.place.command, self.place.log(self.name), env)

    async def until_ready(self) -> None:
        """Wait until it takes submissions."""
        async with httpx.AsyncClient(timeout=2) as client:
            with trio.fail_after(READY_SECONDS):
                while not await self._is_ready(client):
                    self.check()
                    await trio.sleep(0.1)

    async def _is_ready(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get(f"{self.url}/readyz")).status_code == 200
        except httpx.HTTPError:
            return False

    def check(self) -> None:
        """Note an end that nobody asked for, and start it again."""
        if (code := self.child.poll()) is not None:
            self.troubles.append(f"{self.process} ended by itself with {code}")
            self.start()

    def logged_errors(self) -> list[str]:
        """What its log has at that level, with the tracebacks."""
        return ERROR_ENTRY.findall(self.place.log(self.name).read_text(errors="replace"))

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()

    async def pause(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after a while."""
        self.child.send_signal(signal.SIGSTOP)
        try:
            await trio.sleep(seconds)
        finally:
            self.child.send_signal(signal.SIGCONT)

    async def terminate(self) -> None:
        """SIGTERM: it has to drain and to end by itself with 0."""
        self.child.send_signal(signal.SIGTERM)
        code: int | str = "no end"
        with trio.move_on_after(STOP_SECONDS):
            code = await ended(self.child)
        if code != 0:
            self.troubles.append(f"{self.process} was asked to end: {code}")
            self.child.kill()
            self.child.wait()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """No other fault has it for the length of the block."""
        self.is_free, since = False, time.time()
        try:
            yield
        finally:
            self.is_free = True
            self.away.append((since, time.time()))

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()


async def one_by_one(
    instances: Sequence[Instance], seconds: float, say: Callable[[str], None]
) -> None:
    """Replace each instance by one of this version, after so many seconds each, while faults go
    on."""
    for instance in instances:
        await trio.sleep(seconds)
        while not instance.is_free:
            await trio.sleep(0.1)
        with instance.taken():
            say(f"{instance.process} is replaced by the new version")
            await instance.terminate()
            instance.tree = ROOT
            instance.start()
            await instance.until_ready()
