"""Promises of claims."""

import json
import uuid
from functools import partial

import pytest
import trio

from taskengine.model import JobState
from taskengine.store import Ahead, Dismissed
from taskengine.testing.contract.world import (
    ACTION,
    CHAIN,
    PAIR,
    again,
    at,
    definition,
    done,
    released,
    submission,
)
from taskengine.testing.times import NOON


class Claims:
    async def test_a_task_is_claimed_once(self, world):
        job_id = await world.start()
        [attempt] = await world.claim()
        assert (attempt.job.id, attempt.task.attempt, attempt.task.state.label) == (
            job_id,
            1,
            "working",
        )
        assert await world.claim() == []

    async def test_a_claim_takes_no_more_than_asked(self, world):
        await world.start(definition(*([] for _ in range(5))))
        assert len(await world.claim(2)) == 2
        assert len(await world.claim(9)) == 3

    async def test_ahead_are_claimed_those_that_were_never_tried_and_no_others(self, world):
        ids = await world.submit(*(submission() for _ in range(6)))
        await world.admit()
        [tried] = await world.claim(1)
        await world.record(released(tried))
        assert [one.job.id for one in await world.claim(0, ahead=2)] == ids[1:3]
        assert [one.job.id for one in await world.claim(1, ahead=9)] == [ids[0], *ids[3:]]

    async def test_what_is_not_among_the_actions_is_not_claimed_ahead(self, world):
        await world.submit(*(submission() for _ in range(3)))
        await world.admit()
        given = (world.instance, "work", [ACTION], 1, uuid.uuid4(), NOON)
        claimed = await world.store.claim(*given, Ahead(9, ["another.action"]), contested=False)
        assert len(claimed.attempts) == 1

    async def test_concurrent_claims_never_share_a_task(self, world):
        await world.submit(*(submission(PAIR) for _ in range(20)))
        await world.admit()
        taken = []

        async def claim() -> None:
            while attempts := await world.claim(3):
                taken.extend(one.task.id for one in attempts)

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(claim)
        assert len(taken) == len(set(taken)) == 40

    async def test_priority_goes_before_age(self, world):
        ids = await world.submit(*(submission(priority=one) for one in (5, 3, 5, 1)))
        await world.admit()
        order = [attempt.job.id for attempt in await world.claim()]
        assert order == [ids[3], ids[1], ids[0], ids[2]]

    async def test_an_instance_gets_only_what_it_can_do(self, world):
        await world.start(definition([], action="drm.prepare"))
        await world.start(definition([], queue="windows_capture"))
        claim = partial(world.store.claim, world.instance)
        for queue, action, number in (
            ("work", ACTION, 0),
            ("windows_capture", "drm.prepare", 0),
            ("work", "drm.prepare", 1),
            ("windows_capture", ACTION, 1),
        ):
            claimed = await claim(queue, [action], 10, uuid.uuid4(), NOON)
            assert len(claimed.attempts) == number

    async def test_a_retry_waits_for_its_time_and_the_time_is_told(self, world):
        await world.start()
        [attempt] = await world.claim()
        await world.record(again(attempt, at(30)))
        claim = partial(world.store.claim, world.instance, "work", [ACTION], 10)
        claimed = await claim(uuid.uuid4(), at(29))
        assert (claimed.attempts, claimed.next_due) == ([], at(30))
        other = await world.store.claim(world.instance, "work", ["other"], 10, uuid.uuid4(), at(29))
        assert other.next_due is None
        claimed = await claim(uuid.uuid4(), at(30))
        assert len(claimed.attempts) == 1
        assert claimed.next_due is None

    async def test_a_retry_that_is_due_takes_its_place_in_the_order(self, world):
        urgent = await world.start(priority=1)
        [attempt] = await world.claim()
        await world.record(again(attempt, at(30)))
        others = [await world.start(priority=priority) for priority in (1, 5)]
        assert [one.job.id for one in await world.claim(1, at(29))] == others[:1]
        assert [one.job.id for one in await world.claim(1, at(30))] == [urgent]
        assert [one.job.id for one in await world.claim(1, at(30))] == others[1:]

    async def test_a_retry_that_was_paused_waits_for_its_time_when_it_goes_on(self, world):
        job_id = await world.start()
        [attempt] = await world.claim()
        await world.record(again(attempt, at(30)))
        for state in (JobState.PAUSED, JobState.QUEUED):
            await world.store.change(job_id, {"queue_state": state}, (), at(1))
        await world.admit(at(2))
        assert await world.claim(now=at(29)) == []
        assert len(await world.claim(now=at(30))) == 1

    async def test_a_claim_repeated_after_a_lost_answer_gets_the_same(self, world):
        await world.start(definition([], [], []))
        claim = partial(world.store.claim, world.instance, "work", [ACTION], 2)
        claim_id = uuid.uuid4()
        first = await claim(claim_id, NOON)
        assert (await claim(claim_id, at(5))).attempts == first.attempts
        assert len((await claim(uuid.uuid4(), at(5))).attempts) == 1

    async def test_the_attempt_grows_and_the_first_ones_start_stays(self, world):
        await world.start()
        for number in (1, 2, 3):
            [attempt] = await world.claim(now=at(10 * number))
            assert (attempt.task.attempt, attempt.task.failures) == (number, number - 1)
            assert attempt.started_at == at(10)
            await world.record(again(attempt, at(10 * number)))

    async def test_an_attempt_has_all_that_it_needs(self, world):
        job_id = await world.start(CHAIN, parameters={"n": 1}, client_scope={"name": "acme"})
        await world.record(done((await world.claim())[0], files=["x"]))
        [attempt] = await world.claim()
        assert attempt.job == (await world.job(job_id)).job
        assert json.loads(attempt.documents.parameters) == {"n": 1}
        assert attempt.client_scope == {"name": "acme"}
        assert json.loads(attempt.documents.results) == {"a": {"files": ["x"]}}
        assert attempt.options == {"of": "acme"}
        assert attempt.task.name == "b"

    async def test_the_jobs_of_a_removed_client_go_on(self, world):
        await world.submit(submission())
        assert await world.store.remove_client("acme")
        assert await world.admit() == 1
        assert [one.options for one in await world.claim()] == [None]

    async def test_an_unknown_instance_is_dismissed(self, world):
        await world.start()
        with pytest.raises(Dismissed):
            await world.claim(instance=404)
        assert len(await world.claim()) == 1
