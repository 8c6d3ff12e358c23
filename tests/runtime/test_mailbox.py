"""Mailboxes: backpressure, answers, batches, and what becomes of mail that nobody reads."""

from dataclasses import dataclass

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from taskengine.runtime.mailbox import ActorGone, Ask, Mailbox


@dataclass(frozen=True)
class Double(Ask[int]):
    value: int


async def doubler(mailbox):
    async for delivery in mailbox:
        with delivery as message:
            delivery.reply(message.value * 2)


async def test_an_ask_gets_its_answer(nursery, autojump_clock):
    mailbox = Mailbox(1)
    nursery.start_soon(doubler, mailbox)
    assert await mailbox.address.ask(Double(21)) == 42


async def test_many_are_asked_in_order_and_more_than_fit(nursery, autojump_clock):
    mailbox = Mailbox(1)
    nursery.start_soon(doubler, mailbox)
    assert await mailbox.address.ask_all([Double(value) for value in range(5)]) == [0, 2, 4, 6, 8]
    assert await mailbox.address.ask_all([]) == []


async def test_who_asks_many_learns_that_nobody_answers(nursery, autojump_clock):
    mailbox = Mailbox(5)

    async def answer_one():
        for _ in range(2):
            [delivery] = await mailbox.collect(60, limit=1)
            with delivery as message:
                if message.value == 0:
                    delivery.reply(0)

    nursery.start_soon(answer_one)
    with pytest.raises(ActorGone):
        await mailbox.address.ask_all([Double(0), Double(1), Double(2)])


async def test_a_full_mailbox_holds_the_sender_back(autojump_clock):
    mailbox = Mailbox(1)
    await mailbox.address.tell("first")
    with trio.move_on_after(10) as waiting:
        await mailbox.address.tell("second")
    assert waiting.cancelled_caught
    assert len(mailbox) == 1
    assert trio.current_time() == 10


async def test_a_hint_to_a_full_or_closed_mailbox_is_dropped():
    mailbox = Mailbox(1)
    mailbox.address.hint("first")
    mailbox.address.hint("second")
    assert len(mailbox) == 1
    mailbox.address.close()
    mailbox.address.hint("third")


async def test_collecting_takes_all_that_waits_up_to_a_limit(autojump_clock):
    mailbox = Mailbox(10)
    for number in range(5):
        await mailbox.address.tell(number)
    assert [one.message for one in await mailbox.collect(1, limit=3)] == [0, 1, 2]
    assert [one.message for one in await mailbox.collect(1)] == [3, 4]


async def test_collecting_gives_up_after_its_patience(autojump_clock):
    assert await Mailbox(1).collect(7) == []
    assert trio.current_time() == 7


async def test_collecting_ends_when_the_mail_of_a_closed_address_is_done(autojump_clock):
    mailbox = Mailbox(2)
    await mailbox.address.tell("last")
    mailbox.address.close()
    assert mailbox.closing
    assert len(await mailbox.collect(1)) == 1
    with pytest.raises(trio.EndOfChannel):
        await mailbox.collect(1)


async def test_an_asker_learns_of_a_crash_at_once(nursery, autojump_clock):
    async def crash(mailbox):
        async for delivery in mailbox:
            with delivery, pytest.raises(ZeroDivisionError):
                await trio.sleep(3)
                1 / 0  # noqa: B018

    mailbox = Mailbox(1)
    nursery.start_soon(crash, mailbox)
    with trio.fail_after(60), pytest.raises(ActorGone):
        await mailbox.address.ask(Double(1))
    assert trio.current_time() == 3


async def test_closing_a_mailbox_frees_those_who_wait(autojump_clock):
    mailbox = Mailbox(1)

    async def ask():
        with pytest.raises(ActorGone):
            await mailbox.address.ask(Double(1))

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)  # its message lies in the buffer
            nursery.start_soon(ask)  # its sender waits for room
            await wait_all_tasks_blocked()
            with mailbox:
                pass
    with pytest.raises(ActorGone):
        await mailbox.address.tell("too late")


async def test_an_answer_that_comes_too_late_harms_nobody(nursery, autojump_clock):
    async def slow(mailbox):
        async for delivery in mailbox:
            with delivery as message:
                await trio.sleep(5)
                delivery.reply(message.value)

    mailbox = Mailbox(1)
    nursery.start_soon(slow, mailbox)
    with pytest.raises(trio.TooSlowError), trio.fail_after(1):
        await mailbox.address.ask(Double(1))
    assert await mailbox.address.ask(Double(7)) == 7
