"""The start of an instance while the database comes and goes, or is slow (rule 24)."""

from datetime import timedelta
from itertools import pairwise

import pytest
import trio

from taskengine.configuration import read_configuration
from taskengine.main import keep_time, options_of, wait_for_time
from taskengine.model import StoreUnavailable
from taskengine.runtime.clock import EngineClock
from taskengine.testing.virtual import instance
from tests.conftest import NOON


def time_that_comes(at):
    """A database that tells the time from then on."""

    async def keep_time():
        await trio.lowlevel.checkpoint()
        if trio.current_time() < at:
            raise StoreUnavailable("away")
        return True

    return keep_time


async def test_a_start_waits_for_a_database_that_went_away_again(autojump_clock):
    await wait_for_time(time_that_comes(7), patience=60)
    assert trio.current_time() == 7


async def test_the_start_does_not_wait_for_ever(autojump_clock):
    with pytest.raises(StoreUnavailable):
        await wait_for_time(time_that_comes(1000), patience=60)
    assert trio.current_time() == 61


class Database:
    """It tells its time after so many seconds, each in its turn, an hour ahead of this host."""

    def __init__(self, *delays):
        self.delays = list(delays)

    async def time(self):
        delay = self.delays.pop(0)
        await trio.sleep(delay / 2)
        told = NOON + timedelta(hours=1, seconds=trio.current_time())
        await trio.sleep(delay / 2)
        return told


def clock_of(database):
    clock = EngineClock(trio.current_time)
    return clock, lambda: keep_time(database, clock)


async def test_the_first_time_is_one_that_came_soon_enough(autojump_clock):
    """The clock would stand still until a host's time that was ahead is reached."""
    clock, ask = clock_of(Database(0.4, 5, 0.06, 0.06))
    await wait_for_time(ask, patience=60)
    assert clock() == NOON + timedelta(hours=1, seconds=trio.current_time())


class Wrong:
    """A database whose first answer is two hours ahead."""

    def __init__(self):
        self.answers = 0

    async def time(self):
        await trio.lowlevel.checkpoint()
        self.answers += 1
        return NOON + timedelta(hours=2 * (self.answers == 1), seconds=trio.current_time())


async def test_one_wrong_answer_does_not_set_the_first_time(autojump_clock):
    clock, ask = clock_of(Wrong())
    await wait_for_time(ask, patience=60)
    assert clock() == NOON + timedelta(seconds=trio.current_time())


async def test_a_database_that_is_always_slow_is_told_of(autojump_clock, caplog):
    _, ask = clock_of(Database(*[0.4] * 99))
    await wait_for_time(ask, patience=60)
    assert "more than 0.1 s to tell its time" in caplog.text
    assert trio.current_time() < 20


async def test_a_slow_database_is_told_of_again_with_each_heartbeat(memory_store, autojump_clock):
    clock, ask = clock_of(Database(*[0.02] * 99))
    asked = []

    async def keep():
        asked.append(trio.current_time())
        await ask()

    async with instance(memory_store, lease=15, keep_time=keep):
        await trio.sleep(51)
    assert max(after - before for before, after in pairwise([*asked, 51])) < 7
    assert clock() == NOON + timedelta(hours=1, seconds=trio.current_time())


@pytest.mark.parametrize(("lease", "warned"), [(2.9, True), (3, False)])
def test_a_lease_that_is_too_short_is_warned_of(lease, warned, caplog):
    assert options_of(read_configuration(lease=lease)).lease == lease
    assert ("a lease of 2.9 s is short" in caplog.text) is warned
