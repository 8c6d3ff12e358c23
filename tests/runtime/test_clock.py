"""Engine time follows the database's clock and never goes backwards."""

import time
from datetime import UTC, datetime, timedelta

import trio

from taskengine.runtime.clock import EngineClock, next_look, virtual_clock

NOON = datetime(2031, 2, 1, 12, 0, tzinfo=UTC)


class Elapsed:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


def test_a_sample_sets_the_clock_to_the_middle_of_its_round_trip():
    elapsed = Elapsed()
    clock = EngineClock(elapsed)
    later = datetime(2200, 1, 1, tzinfo=UTC)
    clock.sample(later, 99.98, 100.0)
    assert clock() == later + timedelta(seconds=0.01)
    elapsed.seconds += 5
    assert clock() == later + timedelta(seconds=5.01)


def test_a_slow_sample_is_dropped():
    clock = EngineClock(Elapsed())
    before = clock()
    clock.sample(NOON + timedelta(days=1000), 90.0, 100.0)
    assert clock() - before < timedelta(seconds=1)


def test_a_tenth_of_a_second_is_soon_enough():
    clock = EngineClock(Elapsed())
    assert not clock.sample(NOON, 99.89, 100.0)
    assert clock.sample(NOON, 99.91, 100.0)


def test_the_clock_goes_on_while_the_host_sleeps_and_when_its_time_is_set(monkeypatch):
    """The clock that counts a sleep of the host, and that nobody can set (rule 24)."""
    readings = dict.fromkeys((time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC, time.CLOCK_REALTIME), 50.0)
    monkeypatch.setattr(time, "clock_gettime", readings.__getitem__)
    clock = EngineClock()
    clock.sample(NOON + timedelta(days=99_999), 50.0, 50.0)
    readings[time.CLOCK_BOOTTIME] += 3600
    readings[time.CLOCK_REALTIME] -= 9999
    assert clock() == NOON + timedelta(days=99_999, hours=1)


async def test_a_virtual_clock_moves_with_trios(autojump_clock):
    await trio.sleep(3)
    now = virtual_clock(NOON)
    await trio.sleep(86_400)
    assert now() == NOON + timedelta(days=1)


def test_an_actor_looks_by_itself_or_when_something_is_due():
    assert 7 <= next_look(10, None, NOON) <= 13
    assert next_look(10, NOON + timedelta(seconds=2), NOON) == 2
    assert next_look(10, NOON - timedelta(seconds=2), NOON) == 0
    assert next_look(10, NOON + timedelta(days=1), NOON) <= 13
