"""Instances whose tasks record what they do, and what has to hold for every recording."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import trio
import trio_asyncio
from trio_asyncio import aio_as_trio

from tests.support.processes import alive, parent_of
from tests.support.serving import post_job, serving

PLUGIN = Path(__file__).parent / "plugin"
COARSE = 0.02  # seconds; a file's time is that of the kernel's last tick


@dataclass(frozen=True, order=True)
class Attempt:
    job: int
    task: int
    number: int


class Recording:
    """What the children of all instances said, and what was published when."""

    def __init__(self, folder: Path):
        self.log = folder / "recording.log"
        self.log.touch()
        self.output = folder / "var/output/record"

    def lines(self) -> dict[Attempt, list[tuple[int, float]]]:
        """Process and time of each sign of life, by attempt."""
        found = defaultdict(list)
        text = self.log.read_text()
        for line in text[: text.rfind("\n") + 1].splitlines():  # the last may be half written
            name, pid, at = line.split()
            found[_attempt(name)].append((int(pid), float(at)))
        return found

    def published(self) -> list[tuple[Attempt, float]]:
        """The kernel notes when a file got its name."""
        return [(_attempt(path.name), path.stat().st_ctime) for path in self.output.glob("*/*")]

    def processes(self, job: int | None = None) -> set[int]:
        """Children that still run."""
        pids = {
            pid
            for attempt, said in self.lines().items()
            if job in (None, attempt.job)
            for pid, _ in said
        }
        return {pid for pid in pids if alive(pid)}

    def check(self) -> None:
        """Nothing was published by an older attempt after a newer one's first write."""
        lines = self.lines()
        for older, at in self.published():
            for newer, said in lines.items():
                if (newer.job, newer.task) == (older.job, older.task) and newer > older:
                    assert at < said[0][1] + COARSE, (older, newer)

    async def wait_for(self, job: int, attempt: int, seconds: float = 60.0) -> tuple[int, float]:
        """The first sign of life of an attempt."""
        with trio.fail_after(seconds):
            while True:
                for known, said in self.lines().items():
                    if (known.job, known.number) == (job, attempt):
                        return said[0]
                await trio.sleep(0.02)


def _attempt(name: str) -> Attempt:
    return Attempt(*map(int, name.split("-")[:3]))


class Fleet:
    """Real instances on one database and one data folder; all are killed in the end."""

    def __init__(self, folder: Path, **settings):
        self.recording = Recording(folder)
        self.folder, self.settings = folder, settings
        self.stacks, self.processes, self.clients = {}, {}, {}

    async def start(self, name, **more):
        stack = AsyncExitStack()
        running = serving(
            self.folder / "var", name=name, dies=True, redis_url="none", **self.settings | more
        )
        self.processes[name], self.clients[name] = await stack.enter_async_context(running)
        self.stacks[name] = stack
        return self.clients[name]

    async def kill(self, name):
        """SIGKILL."""
        await self.stacks.pop(name).aclose()
        del self.processes[name], self.clients[name]

    def send(self, name, number):
        self.processes[name].send_signal(number)

    def runs(self, child):
        """The instance that runs a child, or what came of it."""
        engines = {process.pid: name for name, process in self.processes.items()}
        while child not in engines:
            child = parent_of(child)
        return engines[child]

    def others(self, name):
        """The clients of the others."""
        return [client for other, client in self.clients.items() if other != name]

    async def record(self, client, **parameters):
        return await post_job(client, "record", log=str(self.recording.log), **parameters)


@asynccontextmanager
async def fleet(folder, *names, **settings):
    """Instances by these names; the plugin has to be in their path."""
    folder.mkdir()
    instances = Fleet(folder, workflows=PLUGIN / "workflows", **settings)
    try:
        for name in names:
            await instances.start(name)
        yield instances
    finally:
        for name in list(instances.stacks):
            await instances.kill(name)


def freeze(process, *children):
    """Stop an engine, the guards of these children, and the children; gives their ids."""
    stopped = [process.pid, *map(parent_of, children), *children]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    return stopped


async def held(url):
    """How many tasks somebody holds."""
    async with trio_asyncio.open_loop():
        connection = await aio_as_trio(asyncpg.connect)(url)
        query = "select count(*) from tasks where state = 2 or holder is not null"
        number = await aio_as_trio(connection.fetchval)(query)
        await aio_as_trio(connection.close)()
        return number
