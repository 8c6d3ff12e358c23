"""`taskengine serve` as a child process, on embedded servers of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from taskengine.administration import store_alone
from taskengine.api_keys import hash_key, new_key
from taskengine.configuration import read_configuration
from taskengine.demo.place import DemoPlace, settle
from taskengine.embedded.locks import EXCLUSIVE, lock_now
from taskengine.model import Client, TaskEngineError
from taskengine.runtime.guard import GROUP
from taskengine.runtime.process import open_guarded
from taskengine.runtime.pulse import Pulse

CLIENT = "demo"
READY = "Task Engine listens on "
START_SECONDS = 120.0  # a first start makes the database
LOG_LINES = 5


class EngineFailed(TaskEngineError):
    """The engine of the demonstration did not start, or did not go on."""


@dataclass(frozen=True, slots=True)
class RunningEngine:
    url: str
    secret: str = field(repr=False)  # signs the callbacks
    client: str = CLIENT
    api_key: str = field(default_factory=new_key, repr=False)


@asynccontextmanager
async def running_engine(place: DemoPlace) -> AsyncIterator[RunningEngine]:
    """Run an engine for the length of the block, with a client made for it."""
    with lock_now(place.data / "demo.lock", EXCLUSIVE) as held:
        if not held:
            raise EngineFailed(f"another demonstration uses {place.data}")
        settle(place)
        async with _serving(place) as engine:
            yield engine


@asynccontextmanager
async def _serving(place: DemoPlace) -> AsyncIterator[RunningEngine]:
    async with trio.open_nursery() as nursery:
        url = await nursery.start(_run, place)
        engine = RunningEngine(url, secret=new_key())
        await _make_client(engine)
        yield engine
        nursery.cancel_scope.cancel()


async def _make_client(engine: RunningEngine) -> None:
    """With a new key each time; callbacks to it are signed."""
    async with store_alone(read_configuration(), START_SECONDS) as store:
        options = {"callback": {"secret": engine.secret}}
        client = Client(engine.client, hash_key(engine.api_key), admin=True, options=options)
        await store.put_client(client)


async def _run(place: DemoPlace, task_status: trio.TaskStatus[str]) -> None:
    """Run the child under a guard, which ends it even if this process is killed; the embedded
    servers are beyond its reach, they stop when their last owner is gone."""
    command = [sys.executable, "-m", "taskengine", "serve"]
    pulse = Pulse()
    with pulse.lifeline() as lifeline, place.log.open("wb") as log:
        env = dict(os.environ)  # its settings are in there
        process = await open_guarded(command, pulse, lifeline, stderr=log, reach=GROUP, env=env)
        try:
            url = None
            with trio.move_on_after(START_SECONDS):
                url = await _url(process)
            if url is not None:
                task_status.started(url)
                await process.wait()
        finally:
            lifeline.let_go()
            with trio.CancelScope(shield=True):  # bounded by the guard's own deadline
                await process.wait()
    what = "did not start" if url is None else "has ended by itself"
    raise EngineFailed(f"the engine {what}; {_last_words(place.log)}")


async def _url(process: trio.Process) -> str | None:
    """What the child says when it is ready; None: it ended before."""
    assert process.stdout is not None
    said = b""
    async for chunk in process.stdout:
        said += chunk
        if b"\n" in said and READY.encode() in said:
            return said.decode().partition(READY)[2].split()[0]
    return None


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    return "\n".join([f"{log} ends:", *lines])
