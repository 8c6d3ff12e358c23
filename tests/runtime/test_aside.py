"""Work that is done by a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio

from taskengine.runtime.aside import LENGTH, START, WorkerEnded, open_workers

SOON = "import taskengine.runtime.aside as a; a.REST = 0.4; main()"
HANGING = re.compile("(a+)+$")


def surroundings():
    return dict(os.environ), sorted(os.listdir("/proc/self/fd")), os.getpid()


def refuse(reason):
    raise ValueError(reason)


def eat():
    return len(bytearray(2 << 30))


def grow():
    return len(b"x" * (300 << 20))


async def test_answers_and_errors_come_back():
    async with open_workers() as aside:
        assert await aside(len, b"x" * 3_000_000) == 3_000_000
        with pytest.raises(ValueError, match="no such thing"):
            await aside(refuse, "no such thing")
        assert await aside(pow, 2, 10) == 1024


async def test_a_worker_is_kept_and_inherits_nothing(monkeypatch):
    monkeypatch.setenv("TASKENGINE_DATABASE_URL", "secret")
    kept = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(kept, True)
    async with open_workers(1) as aside:
        environment, descriptors, worker = await aside(surroundings)
        assert not [name for name in environment if name.startswith("TASKENGINE")]
        assert descriptors == ["0", "1", "2", "3", "4"]  # its pipes, and the listing itself
        assert (await aside(surroundings))[2] == worker
    os.close(kept)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


async def test_what_hangs_in_c_is_ended_and_the_next_call_answered():
    async with open_workers(1, time_limit=1) as aside:
        with pytest.raises(WorkerEnded):
            await aside(HANGING.match, "a" * 40 + "!")
        assert await aside(len, "abc") == 3


async def test_what_takes_too_much_memory_is_ended():
    async with open_workers(1) as aside:
        with pytest.raises(WorkerEnded):
            await aside(eat)
        _, _, first = await aside(surroundings)
        assert await aside(grow) == 300 << 20
        assert (await aside(surroundings))[2] != first  # one that has grown is replaced


async def test_a_caller_that_leaves_takes_its_worker_along():
    async with open_workers(1) as aside:
        with trio.move_on_after(0.5):
            await aside(time.sleep, 60)
        with trio.fail_after(30):
            assert await aside(len, "abc") == 3


async def test_a_worker_without_calls_ends_by_itself_and_another_takes_the_next(monkeypatch):
    monkeypatch.setattr("taskengine.runtime.aside.START", START.replace("main()", SOON))
    monkeypatch.setattr("taskengine.runtime.aside.REST", 0.4)
    async with open_workers(1) as aside:
        _, _, first = await aside(surroundings)
        with trio.fail_after(30):
            while Path(f"/proc/{first}/stat").read_text().split()[2] != "Z":
                await trio.sleep(0.01)
        assert (await aside(surroundings))[2] != first


@pytest.mark.parametrize("written", [3, LENGTH.size, LENGTH.size + 5])
def test_a_worker_whose_engine_was_killed_while_it_wrote_ends_without_a_word(written):
    message = LENGTH.pack(100) + b"x" * 100
    command = [sys.executable, "-I", "-c", START.format(path=sys.path)]
    ended = subprocess.run(command, input=message[:written], capture_output=True, check=True)
    assert (ended.stdout, ended.stderr) == (b"", b"")


async def test_there_are_so_many_workers():
    async with open_workers(2) as aside, trio.open_nursery() as nursery:
        found = []

        async def ask():
            found.append((await aside(surroundings))[2])

        for _ in range(8):
            nursery.start_soon(ask)
    assert len(found) == 8
    assert len({*found}) <= 2
