"""A time limit that stands still while its owner waits for others."""

import pytest
import trio

from taskengine.runtime.limit import TimeLimit


async def test_a_limit_ends_its_block_in_time(autojump_clock):
    with pytest.raises(trio.TooSlowError), TimeLimit(3).running():
        await trio.sleep(10)
    assert trio.current_time() == 3


async def test_a_block_that_is_done_in_time_is_left_alone(autojump_clock):
    with TimeLimit(3).running():
        await trio.sleep(2.9)
    with TimeLimit().running():
        await trio.sleep(86_000)


async def test_pauses_do_not_count(autojump_clock):
    limit = TimeLimit(3)
    with pytest.raises(trio.TooSlowError), limit.running():
        await trio.sleep(1)
        for _ in range(3):
            with limit.paused():
                await trio.sleep(100)
        await trio.sleep(10)
    assert trio.current_time() == 303


async def test_pauses_of_several_tasks_count_once(autojump_clock):
    limit = TimeLimit(3)

    async def pause(begin, seconds):
        await trio.sleep(begin)
        with limit.paused():
            await trio.sleep(seconds)

    with pytest.raises(trio.TooSlowError), limit.running():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pause, 1, 10)
            nursery.start_soon(pause, 5, 10)
            nursery.start_soon(pause, 8, 1)
            nursery.start_soon(trio.sleep, 100)
    assert trio.current_time() == 17  # one before them, two after the last


async def test_a_pause_that_was_cut_short_counts_from_then(autojump_clock):
    limit = TimeLimit(3)
    with pytest.raises(trio.TooSlowError), limit.running():
        with trio.move_on_after(50), limit.paused():
            await trio.sleep(100)
        await trio.sleep(100)
    assert trio.current_time() == 53


async def test_another_ones_cancellation_is_no_lack_of_time(autojump_clock):
    with trio.move_on_after(1) as scope, TimeLimit(3).running():
        await trio.sleep(100)
    assert scope.cancelled_caught
