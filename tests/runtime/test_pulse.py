"""Children of an engine that stands still: real processes, so on the real clock."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import pytest
import trio

from taskengine.runtime.guard import CUT, STAMP, GuardLifeline, Orphaned, Silence
from taskengine.runtime.process import PulseMissed, run_process
from taskengine.runtime.pulse import Pulse
from tests.side_by_side import side_by_side
from tests.support.processes import alive, gone, parent_of

STUBBORN = "trap '' TERM; echo $$; while :; do sleep 0.1; done"
LEASE = 4.0  # seconds; a pulse and a stop, a fifth each, leave most of it to a busy machine
SLACK = 5.0  # seconds; the machine may do other things too
HANG = 60.0  # seconds; only what is wrong takes so long

OWNER = """
import sys, trio
from taskengine.runtime.process import PulseMissed, run_process
from taskengine.runtime.pulse import Pulse

async def tell(line): print(line, flush=True)

async def main():
    pulse = Pulse(float(sys.argv[1]))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pulse.run)
        try:
            await run_process(["sh", "-c", sys.argv[2]], on_line=tell, pulse=pulse)
        except PulseMissed:
            await tell("missed")
        nursery.cancel_scope.cancel()
trio.run(main)
"""


@contextmanager
def engine():
    """An engine with one child, which tells its pid."""
    command = [sys.executable, "-c", OWNER, str(LEASE), STUBBORN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


async def next_line(process):
    return await trio.to_thread.run_sync(process.stdout.readline, abandon_on_cancel=True)


async def the_child_of_a_stopped_engine_is_killed_after_a_lease():
    began = time.monotonic()
    with engine() as owner:
        child = int(await next_line(owner))
        owner.send_signal(signal.SIGSTOP)
        await gone(child, within=LEASE + SLACK)
        assert time.monotonic() - began > LEASE
        owner.send_signal(signal.SIGCONT)
        assert await next_line(owner) == "missed\n"


async def a_stubborn_child_of_a_killed_engine_is_dead_before_a_peer_has_its_task():
    with engine() as owner:
        child = int(await next_line(owner))
        owner.kill()
        await gone(child, within=LEASE / 3 + SLACK)


async def an_engine_that_stops_for_less_than_a_lease_keeps_its_child():
    with engine() as owner:
        child = int(await next_line(owner))
        for _ in range(3):
            owner.send_signal(signal.SIGSTOP)
            await trio.sleep(LEASE / 5)
            owner.send_signal(signal.SIGCONT)
            await trio.sleep(LEASE / 5)
        assert alive(child)


async def a_child_that_was_frozen_with_its_guard_and_engine_is_killed_when_they_wake():
    with engine() as owner:
        child = int(await next_line(owner))
        guard = parent_of(child)
        for pid in (child, guard, owner.pid):
            os.kill(pid, signal.SIGSTOP)
        await trio.sleep(1.2 * LEASE)
        os.kill(owner.pid, signal.SIGCONT)  # its pulse lies in the pipe when the guard wakes
        await trio.sleep(LEASE / 4)
        for pid in (guard, child):
            with suppress(ProcessLookupError):  # the guard has been quick
                os.kill(pid, signal.SIGCONT)
        await gone(child, within=SLACK)
        assert await next_line(owner) == "missed\n"


async def many_children_outlive_their_leases():
    pulse = Pulse(LEASE)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pulse.run)
        async with trio.open_nursery() as running:
            for _ in range(5):
                running.start_soon(lambda: run_process(["sleep", str(2 * LEASE)], pulse=pulse))
        nursery.cancel_scope.cancel()


async def test_children_live_by_the_pulse_of_their_engine():
    scenarios = (
        the_child_of_a_stopped_engine_is_killed_after_a_lease,
        a_stubborn_child_of_a_killed_engine_is_dead_before_a_peer_has_its_task,
        an_engine_that_stops_for_less_than_a_lease_keeps_its_child,
        a_child_that_was_frozen_with_its_guard_and_engine_is_killed_when_they_wake,
        many_children_outlive_their_leases,
    )
    await side_by_side(scenarios)


async def test_without_a_pulse_the_caller_learns_why_its_child_was_killed():
    with trio.fail_after(HANG), pytest.raises(PulseMissed):
        await run_process(["sleep", "300"], pulse=Pulse(0.2))


async def test_a_cut_kills_at_once():
    pulse, pids = Pulse(3600), []

    async def keep(line):
        pids.append(int(line))
        pulse.cut()

    with trio.fail_after(HANG), pytest.raises(PulseMissed):
        await run_process(["sh", "-c", STUBBORN], on_line=keep, pulse=pulse)
    assert not any(map(alive, pids))


def test_a_stopped_guard_does_not_hold_up_the_engine():
    pulse = Pulse()
    with pulse.lifeline() as lifeline:
        for _ in range(20_000):  # more than the pipe takes
            lifeline.send(1.0)


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    yield reading, writing
    os.close(reading)


def test_a_guard_that_was_held_up_takes_regular_pulses_for_what_they_are(pipe):
    reading, writing = pipe
    lifeline = GuardLifeline(reading, 10)
    lifeline.last -= 100  # that long ago it looked
    for stamp in range(13):
        os.write(writing, STAMP.pack(lifeline.last + 8 * stamp))
    lifeline.heed()
    os.close(writing)
    with pytest.raises(Orphaned):
        lifeline.heed()


@pytest.mark.parametrize("later", [11, CUT])
def test_a_gap_between_pulses_counts_even_if_both_have_come(pipe, later):
    reading, writing = pipe
    lifeline = GuardLifeline(reading, 10)
    lifeline.last -= 11
    os.write(writing, STAMP.pack(CUT if later == CUT else lifeline.last + later))
    with pytest.raises(Silence):
        lifeline.heed()
    os.close(writing)
