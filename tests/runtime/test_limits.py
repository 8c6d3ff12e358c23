"""Limits of child processes: told apart on virtual time, and reached by real ones."""

import sys

import pytest
import trio
import trio.testing

from taskengine.runtime.limits import LimitReached, Limits, watch
from taskengine.runtime.process import ProcessFailed, run_process

BUSY = "while True: pass"
HUGE = "data = bytearray(1 << 30)"
LONG = "open('x', 'wb').write(bytes(1 << 20))"


def python(code):
    return [sys.executable, "-I", "-S", "-c", code]


async def test_a_process_that_goes_on_working_has_all_its_time(autojump_clock):
    done = iter(range(10_000))
    said = await watch(1, Limits(seconds=3600, stall=60), lambda _: (next(done),))
    assert said == "ran for 3600 s, longer than it may (tool_seconds)"
    assert trio.current_time() == pytest.approx(3600, abs=6)


async def test_silence_is_a_limit_of_its_own(autojump_clock):
    began = trio.current_time()
    work = [(1,)] * 10 + [(2,)] * 1000
    said = await watch(1, Limits(seconds=3600, stall=60), lambda _: work.pop(0))
    assert said == "did nothing for 60 s (tool_stall)"
    assert trio.current_time() - began == pytest.approx(10 * 5 + 60, abs=11)


async def test_what_nobody_knows_is_no_silence(autojump_clock):
    said = await watch(1, Limits(seconds=600, stall=60), lambda _: None)
    assert said.startswith("ran for 600 s")


@pytest.mark.parametrize(
    ("code", "limits", "why"),
    [(BUSY, Limits(seconds=0.5), "ran for 0.5 s"),
     ("import time; time.sleep(60)", Limits(stall=0.5), "did nothing for 0.5 s")],
)  # fmt: skip
async def test_a_process_is_stopped_at_its_limit(code, limits, why):
    with trio.fail_after(30), pytest.raises(LimitReached, match=why):
        await run_process(python(code), limits=limits)


@pytest.mark.parametrize(
    ("code", "limits", "why"),
    [
        (HUGE, Limits(memory=512 << 20), "MemoryError"),
        (LONG, Limits(file=1 << 10), "File too large"),
    ],
)
async def test_the_system_keeps_limits_of_memory_and_files(tmp_path, code, limits, why):
    with pytest.raises(ProcessFailed, match=why):
        await run_process(python(code), cwd=tmp_path, limits=limits)
    assert await run_process(python("print(1)"), limits=limits) == "1\n"
