"""Submissions whose answers are lost or late (rule 4), on virtual time."""

from dataclasses import replace

import pytest
import trio
import trio.testing

from taskengine.actors.batches import MAX_BATCH_WEIGHT
from taskengine.actors.intake import BATCH_DEADLINE, MAX_BATCH, Intake
from taskengine.messages import Submit
from taskengine.model import OutcomeUnknown, Severity, StoreUnavailable
from taskengine.runtime.clock import virtual_clock
from taskengine.runtime.mailbox import ActorGone, Mailbox
from taskengine.store.memory import MemoryStore
from taskengine.testing.virtual import submission, workflow
from tests.conftest import NOON

FLOW = workflow("only")


class Lossy:
    """A store that says of each submission in turn what a test wants it to say."""

    def __init__(self, *said):
        self.inner, self.said, self.asked = MemoryStore(), list(said), []

    async def submit(self, batch, now):
        self.asked.append((trio.current_time(), len(batch)))
        ids = None
        saying = self.said.pop(0) if self.said else None
        if not isinstance(saying, StoreUnavailable) or isinstance(saying, OutcomeUnknown):
            ids = await self.inner.submit(batch, now)
        if isinstance(saying, float):
            await trio.sleep(saying)
        elif saying is not None:
            raise saying
        return ids


async def answers(store, *patiences):
    """What clients are answered that submit at once and wait so long."""
    told = {}

    async def ask(number, patience):
        with trio.move_on_after(patience):
            told[number] = await mailbox.address.ask(Submit(submission(FLOW)))

    with Mailbox(10) as mailbox:
        async with trio.open_nursery() as nursery:
            intake = Intake(store, virtual_clock(NOON), lambda: None)
            nursery.start_soon(intake.run, mailbox)
            async with trio.open_nursery() as clients:
                for number, patience in enumerate(patiences):
                    clients.start_soon(ask, number, patience)
                    await trio.sleep(0.01)
            mailbox.address.close()
    return told


async def test_a_submission_whose_answer_was_lost_is_settled(autojump_clock):
    store = Lossy(OutcomeUnknown("cut"))
    assert await answers(store, 5) == {0: 1}
    assert len(store.asked) == 2
    assert len((await store.inner.totals()).jobs) == 1


async def test_a_lost_answer_is_settled_also_if_the_database_is_away_for_a_while(autojump_clock):
    store = Lossy(OutcomeUnknown("cut"), StoreUnavailable("refused"), StoreUnavailable("refused"))
    assert await answers(store, 5) == {0: 1}
    assert len(store.asked) == 4


async def test_what_certainly_failed_is_told_at_once(autojump_clock):
    store = Lossy(StoreUnavailable("refused"))
    told = await answers(store, 5)
    assert isinstance(told[0], StoreUnavailable)
    assert trio.current_time() < 0.1


@pytest.mark.parametrize("saying", [OutcomeUnknown("cut"), 60.0])
async def test_a_batch_is_answered_in_time_whatever_happens(autojump_clock, saying):
    store = Lossy(*[saying] * 100)
    told = await answers(store, 5)
    assert isinstance(told[0], StoreUnavailable)
    assert trio.current_time() == pytest.approx(BATCH_DEADLINE + 0.01, abs=0.02)


async def test_a_submission_that_nobody_waits_for_any_more_is_not_recorded(autojump_clock):
    """Its client was told of an outage, and submits again."""
    store = Lossy(2.0)
    told = await answers(store, 5, 1, 5)
    assert set(told) == {0, 2}
    assert [size for _, size in store.asked] == [1, 1]


async def batches(*submissions):
    """The clients whose submissions, all waiting, come into each insert."""
    store, told = MemoryStore(), []
    submit = store.submit

    async def note(batch, now):
        told.append([one.client for one in batch])
        return await submit(batch, now)

    store.submit = note
    with Mailbox(len(submissions)) as mailbox:
        for one in submissions:
            await mailbox.address.tell(Submit(one))
        mailbox.address.close()
        await Intake(store, virtual_clock(NOON), lambda: None).run(mailbox)
    return told


def large(client, part):
    """A submission of so large a part of what an insert takes."""
    lines = [(Severity.INFO, "api", "x" * int(MAX_BATCH_WEIGHT * part / 3))]  # it is kept thrice
    return replace(submission(FLOW), client=client, lines=lines)


async def test_an_insert_takes_so_many_rows(autojump_clock):
    told = await batches(*[submission(FLOW)] * (MAX_BATCH + 1))
    assert [len(clients) for clients in told] == [MAX_BATCH, 1]


async def test_an_insert_takes_so_many_characters_and_clients_take_turns(autojump_clock):
    """Rule 17: what one client sends at once holds up nobody else."""
    flood = [large("acme", 0.4) for _ in range(4)]
    told = await batches(*flood, large("beta", 0.4), large("beta", 1.5))
    assert told == [["acme", "beta"], ["acme"], ["beta"], ["acme", "acme"]]


class Crashing:
    """A store with a bug."""

    async def submit(self, batch, now):
        await trio.sleep(1)
        raise RuntimeError("a bug")


async def test_all_that_a_crashing_intake_has_in_hand_are_told_at_once(autojump_clock):
    """Also those that waited for their turn: their clients would wait out their patience."""
    told = []

    async def ask(client):
        with pytest.raises(ActorGone):
            await mailbox.address.ask(Submit(large(client, 0.6)))
        told.append(trio.current_time())

    with Mailbox(10) as mailbox:
        async with trio.open_nursery() as clients:
            for client in ("acme", "acme", "beta"):
                clients.start_soon(ask, client)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(RuntimeError):
                await Intake(Crashing(), virtual_clock(NOON), lambda: None).run(mailbox)
    assert told == [1, 1, 1]


async def test_ids_of_a_clients_submissions_grow_in_its_order(autojump_clock):
    """Whatever turns large ones take with those of others."""
    store, ids = MemoryStore(), {}

    async def ask(client, sizes):
        messages = [Submit(large(client, size)) for size in sizes]
        ids[client] = await mailbox.address.ask_all(messages)

    with Mailbox(MAX_BATCH) as mailbox:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Intake(store, virtual_clock(NOON), lambda: None).run, mailbox)
            async with trio.open_nursery() as clients:
                clients.start_soon(ask, "acme", [0.4, 0.1, 1.5, 0.3, 0.01, 0.7] * 5)
                clients.start_soon(ask, "beta", [0.01, 0.9] * 20)
            mailbox.address.close()
    assert ids["acme"] == sorted(set(ids["acme"]))
    assert ids["beta"] == sorted(set(ids["beta"]))
    assert ids["beta"][0] < ids["acme"][-1]
    assert ids["acme"][0] < ids["beta"][-1]


async def test_schedulers_hear_of_those_alone_that_wait_for_a_time_or_a_gate(autojump_clock):
    woken = []
    given = (MemoryStore(), virtual_clock(NOON), lambda: woken.append("controller"))
    intake = Intake(*given, lambda: woken.append("scheduler"))
    waiting = [{}, {"run_at": NOON}, {"semaphore_url": "http://gate.test/"}]
    async with trio.open_nursery() as nursery:
        with Mailbox[Submit](9) as mailbox:
            nursery.start_soon(intake.run, mailbox)
            for more in waiting:
                await mailbox.address.ask(Submit(submission(FLOW, **more)))
            nursery.cancel_scope.cancel()
    assert woken == ["controller", "controller", "scheduler", "controller", "scheduler"]
