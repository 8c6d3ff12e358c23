"""One-for-one supervision, by exact virtual times."""

from functools import partial

import pytest
import trio

from taskengine.runtime.mailbox import Mailbox
from taskengine.runtime.supervisor import CrashedTooOften, Restarts, supervise

supervised = partial(supervise, name="child")


async def test_a_child_that_returns_is_not_restarted(autojump_clock):
    starts = []

    async def child():
        starts.append(trio.current_time())

    await supervised(child)
    assert starts == [0]


async def test_restarts_back_off(autojump_clock):
    starts = []

    async def child():
        starts.append(trio.current_time())
        if len(starts) < 4:
            raise ValueError

    await supervised(child, Restarts(limit=5, pause=1))
    assert starts == [0, 1, 3, 7]


async def test_a_crash_leaves_the_siblings_alone(autojump_clock):
    log = []

    async def shaky():
        log.append(("shaky", trio.current_time()))
        if trio.current_time() < 1:
            raise ValueError

    async def steady():
        await trio.sleep(5)
        log.append(("steady", trio.current_time()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(supervised, shaky, Restarts(pause=1)))
        nursery.start_soon(partial(supervised, steady))
    assert log == [("shaky", 0), ("shaky", 1), ("steady", 5)]


async def test_old_crashes_are_forgiven(autojump_clock):
    async def crash_every_minute():
        await trio.sleep(60)
        raise ValueError

    with trio.move_on_after(3600):
        await supervised(crash_every_minute, Restarts(limit=1, window=30))
    assert trio.current_time() == 3600


async def test_too_many_crashes_take_the_siblings_down(autojump_clock):
    cancelled = []

    async def hopeless():
        raise ValueError("boom")

    async def sibling():
        try:
            await trio.sleep_forever()
        finally:
            cancelled.append(trio.current_time())

    with pytest.raises(ExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(supervised, hopeless, Restarts(limit=2, pause=1)))
            nursery.start_soon(partial(supervised, sibling))
    [error] = caught.value.exceptions
    assert isinstance(error, CrashedTooOften)
    assert isinstance(error.__cause__, ValueError)
    assert cancelled == [3]


async def test_cancellation_is_not_a_crash(autojump_clock):
    starts = []

    async def child():
        starts.append(1)
        await trio.sleep_forever()

    with trio.move_on_after(1):
        await supervised(child)
    assert starts == [1]


async def test_an_error_while_being_cancelled_is_reported_not_restarted(autojump_clock):
    starts = []

    async def child():
        starts.append(1)
        async with trio.open_nursery() as nursery:

            async def bad_cleanup():
                try:
                    await trio.sleep_forever()
                finally:
                    raise ValueError("cleanup")

            nursery.start_soon(bad_cleanup)
            nursery.start_soon(trio.sleep_forever)

    with pytest.raises(ExceptionGroup) as caught, trio.move_on_after(1):
        await supervised(child)
    assert caught.group_contains(ValueError)
    assert starts == [1]


async def test_mail_survives_a_crash_except_the_message_in_hand(autojump_clock):
    done = []
    mailbox = Mailbox(10)

    async def child():
        async for delivery in mailbox:
            with delivery as message:
                if message == "poison":
                    raise ValueError
                done.append(message)

    for message in ["a", "poison", "b"]:
        await mailbox.address.tell(message)
    mailbox.address.close()
    await supervised(child, Restarts(pause=1))
    assert done == ["a", "b"]
