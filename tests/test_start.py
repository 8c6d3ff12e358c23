"""The start of an instance while the database comes and goes."""

import pytest
import trio

from taskengine.main import wait_for_time
from taskengine.model import StoreUnavailable


def time_that_comes(at):
    """A database that tells the time from then on."""

    async def keep_time():
        await trio.lowlevel.checkpoint()
        if trio.current_time() < at:
            raise StoreUnavailable("away")

    return keep_time


async def test_a_start_waits_for_a_database_that_went_away_again(autojump_clock):
    await wait_for_time(time_that_comes(7), patience=60)
    assert trio.current_time() == 7


async def test_it_does_not_wait_for_ever(autojump_clock):
    with pytest.raises(StoreUnavailable):
        await wait_for_time(time_that_comes(1000), patience=60)
    assert trio.current_time() == 61
