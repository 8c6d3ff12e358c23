"""The driver's loop in a thread of its own, without a database."""

import asyncio
import threading

import pytest
import trio

from taskengine.process_log import request_id
from taskengine.store.postgres.driver_loop import DriverLoopEnded, open_thread_loop


@pytest.fixture
def failures():
    return []


@pytest.fixture
async def loop(failures):
    async with open_thread_loop(lambda _, context: failures.append(context)) as loop:
        yield loop


async def answer(value):
    await asyncio.sleep(0)
    return value, threading.current_thread().name


async def test_a_call_is_answered_from_the_thread_of_the_driver(loop):
    assert await loop.call(answer, 7) == (7, "driver")


async def test_an_error_of_a_call_is_raised_where_it_is_awaited(loop):
    async def fail():
        raise ZeroDivisionError("of the call")

    with pytest.raises(ZeroDivisionError, match="of the call"):
        await loop.call(fail)
    assert await loop.call(answer, 8) == (8, "driver")


async def test_a_cancelled_caller_leaves_when_its_call_has_cleaned_up(loop):
    steps = []

    async def clean_up():
        try:
            begun.set()
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    begun = threading.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(loop.call, clean_up)
        await trio.to_thread.run_sync(begun.wait)
        nursery.cancel_scope.cancel()
    assert steps == ["cleaned up"]


async def test_many_callers_are_served_at_once(loop):
    met, answers = asyncio.Barrier(9), []

    async def meet():
        return await met.wait()

    async def ask():
        answers.append(await loop.call(meet))

    async with trio.open_nursery() as nursery:
        for _ in range(9):
            nursery.start_soon(ask)
    assert sorted(answers) == [*range(9)]


async def test_what_fails_in_a_callback_is_told_and_ends_nothing(loop, failures):
    def fail():
        raise ZeroDivisionError("in a callback")

    loop.soon(fail)
    assert await loop.call(answer, 9) == (9, "driver")
    [told] = failures
    assert "in a callback" in str(told["exception"])


async def test_a_loop_that_ends_by_itself_is_no_outage_for_anybody_who_waits(loop, caplog):
    def end():
        raise SystemExit("by itself")

    async def wait():
        with pytest.raises(DriverLoopEnded, match="by itself"):
            await loop.call(asyncio.sleep, 3600)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(wait)
            await loop.call(answer, 10)
            loop.soon(end)
        await wait()
    assert [one.levelname for one in caplog.records] == ["CRITICAL"]


async def test_what_a_request_tells_of_itself_is_known_to_its_call(loop):
    async def known():
        return request_id.get()

    request_id.set("of a request")
    assert await loop.call(known) == "of a request"


async def test_the_thread_ends_with_its_block():
    async with open_thread_loop(lambda *_: None):
        assert "driver" in {one.name for one in threading.enumerate()}
    assert "driver" not in {one.name for one in threading.enumerate()}
