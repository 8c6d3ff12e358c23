"""Promises of what explains why a job does not run."""

from datetime import timedelta

import pytest

from taskengine.jobs.explanation import explanation
from taskengine.model import JobState
from taskengine.policy import SYSTEM
from taskengine.store import Dismissed, GateAnswer
from taskengine.testing.contract.world import (
    ACTION,
    CHAIN,
    PAIR,
    SINGLE,
    at,
    definition,
    done,
    submission,
)
from taskengine.testing.times import NOON


class Explanations:
    async def test_the_rank_is_the_place_in_the_order_of_admission(self, world):
        await world.setting(SYSTEM, max_jobs=0)
        given = [
            {"priority": 5},
            {"priority": 5, "client": "beta"},
            {"priority": 4, "client": "beta"},
            {"priority": 9, "top_of_queue": True},
            {"priority": 5, "position": 0},
            {"priority": 6, "position": 0},
            {"priority": 5},
        ]
        ids = await world.submit(*(submission(**one) for one in given))
        ranks = [(await world.store.waiting_state(job_id)).ahead for job_id in ids]
        assert ranks == [3, 4, 1, 0, 2, 6, 5]
        [late] = await world.submit(submission(priority=5), now=at(-9))
        assert (await world.store.waiting_state(late)).ahead == 3

    async def test_a_rank_is_counted_to_its_bound(self, world):
        await world.setting(SYSTEM, max_jobs=0)
        for client in ("acme", "beta"):
            batch = [submission(client=client) for _ in range(501)]
            ids = await world.submit(*batch)
        assert (await world.store.waiting_state(ids[-3])).ahead == 999
        assert (await world.store.waiting_state(ids[-2])).ahead == 1000
        assert (await world.store.waiting_state(ids[-1])).ahead == 1000
        [first] = await world.submit(submission(top_of_queue=True))
        assert (await world.store.waiting_state(first)).ahead == 0

    async def test_slots_are_those_of_both_levels(self, world):
        await world.setting(SYSTEM, max_jobs=3, priority_slots=1)
        await world.setting("acme", max_jobs=2)
        await world.submit(submission(priority=9), submission(priority=1))
        await world.submit(submission(client="beta"), submission(priority=9))
        assert await world.admit() == 3
        waiting = await world.store.waiting_state(4)
        assert (waiting.system.low, waiting.system.high, waiting.system.settings.max_jobs) == (
            1,
            2,
            3,
        )
        assert (waiting.client.low, waiting.client.high, waiting.client.settings.max_jobs) == (
            1,
            1,
            2,
        )
        assert waiting.system.settings.priority_slots == 1
        beta = await world.store.waiting_state(3)
        assert (beta.client.low, beta.client.high, beta.client.settings.max_jobs) == (0, 1, None)

    async def test_tasks_at_work_and_open_ones(self, world):
        job_id = await world.start(PAIR)
        await world.claim(1)
        waiting = await world.store.waiting_state(job_id)
        assert (waiting.job.state, waiting.working, waiting.open_tasks) == (JobState.STARTED, 1, 2)
        assert waiting.job == (await world.job(job_id)).job

    async def test_parents_that_have_not_completed(self, world):
        ids = await world.submit(submission(), submission())
        [child] = await world.submit(submission(depends_on=ids[::-1]))
        assert list((await world.store.waiting_state(child)).parents) == ids
        await world.admit()
        [attempt] = await world.claim(1)
        await world.record(done(attempt))
        assert list((await world.store.waiting_state(child)).parents) == ids[1:]
        assert (await world.store.waiting_state(child)).original is None

    async def test_a_rerun_waits_for_its_original(self, world):
        job_id = await world.start(CHAIN)
        await world.claim(1)
        new = await world.store.rerun(job_id, [], NOON)
        waiting = await world.store.waiting_state(new)
        assert (waiting.job.state, waiting.original, list(waiting.parents)) == (
            JobState.PENDING,
            job_id,
            [],
        )

    async def test_the_waiting_state_has_the_last_answer_of_a_gate(self, world):
        [job_id] = await world.submit(submission(semaphore_url="http://gate.test"))
        waiting = await world.store.waiting_state(job_id)
        assert (waiting.gate_answer, waiting.gate_due_at) == (None, None)
        [gate], _ = await world.store.claim_gates(9, (), NOON, timedelta(seconds=30))
        await world.store.answer_gates([GateAnswer(gate, "503", NOON, at(60))])
        waiting = await world.store.waiting_state(job_id)
        assert (waiting.gate_answer, waiting.gate_due_at) == ("503", at(60))

    async def test_whether_jobs_are_queued_when_they_are_due(self, world):
        [job_id] = await world.submit(submission(run_at=at(9)))
        assert (await world.store.waiting_state(job_id)).queues_due
        await world.store.activate("queue_scheduled_jobs", None, False, NOON)
        assert not (await world.store.waiting_state(job_id)).queues_due

    @pytest.mark.parametrize("plan", [None, PAIR])
    async def test_whatever_is_there_can_be_explained(self, world, plan):
        [job_id] = await world.submit(submission(plan))
        assert explanation(await world.store.waiting_state(job_id), NOON)["reasons"]

    async def test_there_is_no_such_job(self, world):
        assert await world.store.waiting_state(404) is None

    async def test_a_task_that_no_instance_runs_is_named(self, world):
        other = definition([], action="eng.raise")
        captured = definition([], queue="windows_capture")
        jobs = [await world.start(plan) for plan in (SINGLE, other, captured)]
        found = [(await world.store.waiting_state(job)).unserved for job in jobs]
        assert found == [[], [("a", "eng.raise", "work")], [("a", ACTION, "windows_capture")]]
        pairs = [("windows_capture", ACTION), ("work", "eng.raise")]
        assert await world.store.unserved() == pairs
        told = explanation(await world.store.waiting_state(jobs[1]), NOON)["reasons"][1]
        assert told["reason"] == "action"
        expected = "Task a waits for an instance that has the action eng.raise"
        assert told["message"].startswith(expected)
        newer = await world.store.join("newer", NOON)
        await world.store.offer(newer, "work", [ACTION, "eng.raise"])
        assert await world.store.unserved() == pairs[:1]
        await world.store.leave(newer, NOON)
        assert await world.store.unserved() == pairs
        with pytest.raises(Dismissed):
            await world.store.offer(newer, "work", [ACTION])

    async def test_a_job_that_is_about_to_be_told_of_an_end_says_so(self, world):
        one, other = await world.start(), await world.start()
        [child] = await world.submit(submission(depends_on=[one, other]))
        await world.store.change(one, {"queue_state": JobState.BROKEN}, [], NOON)
        waiting = await world.store.waiting_state(child)
        assert (list(waiting.parents), list(waiting.told)) == ([one, other], [one])
        reasons = explanation(waiting, NOON)["reasons"]
        assert [reason["jobs"] for reason in reasons] == [[one], [other]]
        assert "is over" in reasons[0]["message"]
