"""Owners of embedded servers, and what there is of the servers' processes."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import outcome
import redis.asyncio
import trio
import trio_asyncio
from trio_asyncio import aio_as_trio

from taskengine.embedded.server import START_SECONDS

OWNER = """
import sys, trio
from pathlib import Path
from taskengine.embedded.{kind} import embedded_{kind}
if len(sys.argv) > 2:
    sys.modules["taskengine.embedded.{kind}"]._binary = lambda: Path(sys.argv[2])
async def main():
    async with embedded_{kind}(Path(sys.argv[1])) as url:
        print(url, flush=True)
        await trio.sleep_forever()
trio.run(main)
"""


async def query(url: str, sql: str) -> object:
    """Ask the database one thing; errors come as they are, not in the loop's exception group."""
    async with trio_asyncio.open_loop():
        answer = await outcome.acapture(aio_as_trio(_fetch), url, sql)
    return answer.unwrap()


async def ping(url: str) -> object:
    """Ask Valkey for an answer."""
    async with trio_asyncio.open_loop():
        answer = await outcome.acapture(aio_as_trio(_ping), url)
    return answer.unwrap()


async def _fetch(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def _ping(url: str) -> object:
    async with redis.asyncio.Redis.from_url(url) as client:
        return await client.ping()


@asynccontextmanager
async def owner_process(
    data_dir: Path, kind: str = "postgres", binary: Path | None = None
) -> AsyncIterator[trio.Process]:
    """Another process that owns the server, killed in the end."""
    command = [sys.executable, "-c", OWNER.format(kind=kind), str(data_dir)]
    command += [str(binary)] if binary else []
    process = await trio.lowlevel.open_process(command, stdout=-1)
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def url_of(owner: trio.Process) -> str:
    assert owner.stdout is not None
    said = b""
    with trio.fail_after(START_SECONDS):
        while not said.endswith(b"\n"):
            part = await owner.stdout.receive_some()
            assert part, "the owner has ended"
            said += part
    return said.decode().strip()


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(START_SECONDS):
        while not condition():
            await trio.sleep(0.01)


async def until_answers(url: str) -> None:
    with trio.fail_after(START_SECONDS):
        while True:
            try:
                assert await query(url, "SELECT answer FROM kept") == 42
                return
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await trio.sleep(0.05)


def status(data_dir: Path, kind: str = "postgres") -> dict[str, int]:
    """Port and process ids, as the guard tells them."""
    found: dict[str, int] = json.loads((data_dir / kind / "server.json").read_text())
    return found


def status_or_none(data_dir: Path, kind: str) -> dict[str, int] | None:
    try:
        return status(data_dir, kind)
    except FileNotFoundError:
        return None


def processes_with(argument: str) -> list[str]:
    """Command lines of all processes that have this text in theirs."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_text(errors="replace"))
        except OSError:
            continue
    return [line for line in lines if argument in line]


def family(pid: int) -> set[int]:
    """A process and all its descendants."""
    processes = [path.name for path in Path("/proc").glob("[0-9]*")]
    parents = {int(name): int(fields[1]) for name in processes if (fields := fields_of(name))}
    found, new = set[int](), {pid}
    while new:
        found |= new
        new = {child for child, parent in parents.items() if parent in new}
    return found


def gone(pids: set[int]) -> bool:
    """Whether none runs any more; reaping orphaned zombies is the init process's task."""
    return all(fields_of(pid)[:1] in ([], ["Z"]) for pid in pids)


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # others have been quicker
        os.kill(pid, signal.SIGKILL)


def fields_of(pid: int | str) -> list[str]:
    """State, parent and more of a process; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
