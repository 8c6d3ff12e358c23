"""Promises of failures."""

import json

from taskengine.model import Began, Ended, Outcome
from taskengine.testing.contract.world import (
    CHAIN,
    ONE,
    PAIR,
    again,
    at,
    definition,
    done,
    failed,
    released,
)
from taskengine.testing.times import NOON


class Failures:
    async def test_a_final_failure_ends_the_job_and_says_why(self, world):
        job_id = await world.start(CHAIN, urls=[ONE])
        [attempt] = await world.claim()
        recorded = await world.record(Began(attempt.fence, NOON), failed(attempt, "no disk", at(5)))
        assert recorded.ended_jobs == (job_id,)
        details = await world.job(job_id)
        assert (details.job.state.label, details.job.failed) == ("completed", True)
        assert [task.state.label for task in details.tasks] == ["failed", "cancelled", "cancelled"]
        assert [task.ended_at for task in details.tasks] == [at(5)] * 3
        assert details.tasks[0].error == "no disk"
        message = "job has failed: 'a' failed: no disk"
        assert await world.lines(job_id) == [("controller", attempt.task.id, message)]
        assert await world.events() == {ONE: ["start", "fail", "end"]}

    async def test_the_job_callback_tells_the_failure(self, world):
        plan = definition([], callback={"message": "fine", "files": ["x"]})
        await world.start(plan, urls=[ONE])
        await world.record(failed((await world.claim())[0], "no disk"))
        [lane] = await world.lanes()
        fail, end = (json.loads(one.body) for one in lane.callbacks)
        assert fail["message"] == "no disk"
        assert (end["status"], end["message"]) == ("failed", "'a' failed: no disk")
        assert end["files"] == ["x"]

    async def test_a_failed_job_ends_only_when_its_working_tasks_have(self, world):
        job_id = await world.start(definition([], [], [], [1]))
        one, two, three = await world.claim()
        assert (await world.record(failed(one))).ended_jobs == ()
        assert await world.states(job_id) == [
            "started",
            "failed",
            "working",
            "working",
            "cancelled",
        ]
        assert (await world.job(job_id)).job.failed
        unwanted = (await world.store.beat(world.instance)).unwanted
        assert unwanted == {two.fence, three.fence}
        assert not await world.store.current(world.instance, two.fence)
        await world.record(done(two))
        last = Ended(three.fence, at(9), Outcome.CANCELLED)
        assert (await world.record(last)).ended_jobs == (job_id,)
        assert await world.states(job_id) == [
            "completed",
            "failed",
            "completed",
            "cancelled",
            "cancelled",
        ]

    async def test_nothing_of_a_failed_job_is_tried_again(self, world):
        for end in (released, lambda one: again(one, at(9))):
            job_id = await world.start(PAIR)
            one, two = await world.claim()
            await world.record(failed(one))
            assert (await world.record(end(two))).ended_jobs == (job_id,)
            assert await world.states(job_id) == ["completed", "failed", "cancelled"]
            assert await world.claim(now=at(99)) == []

    async def test_siblings_may_fail_both(self, world):
        job_id = await world.start(PAIR, urls=[ONE])
        one, two = await world.claim()
        await world.record(failed(two, "second"))
        await world.record(failed(one, "first"))
        assert await world.states(job_id) == ["completed", "failed", "failed"]
        assert (await world.lines(job_id))[-1][2] == "job has failed: 'a' failed: first"
        assert await world.events() == {ONE: ["fail", "fail", "end"]}
        totals = await world.store.totals()
        assert {state.label: n for (state, failed), n in totals.jobs.items()} == {"completed": 1}
        assert totals.tasks_failed == 2

    async def test_a_failure_and_a_success_in_one_batch_end_the_job_once(self, world):
        plan = definition([], [], [0], [1])
        for order in (0, 1):
            job_id = await world.start(plan, urls=[ONE])
            one, two = await world.claim()
            ends = [done(one), failed(two)]
            recorded = await world.record(*(ends[::-1] if order else ends))
            assert recorded.ended_jobs == (job_id,)
            assert await world.states(job_id) == [
                "completed",
                "completed",
                "failed",
                "cancelled",
                "cancelled",
            ]

    async def test_a_failed_job_gives_its_slot_back(self, world):
        await world.setting("acme", max_jobs=1)
        await world.start()
        await world.record(failed((await world.claim())[0]))
        await world.start()
