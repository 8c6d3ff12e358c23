"""Promises of the sweep: no job holds a slot for ever though nothing of it can go on."""

import pytest

from taskengine.model import Definition, JobState, PlannedTask
from taskengine.policy import SYSTEM
from taskengine.store.completion import STALLED
from taskengine.testing.contract.dependencies import child_of, state
from taskengine.testing.contract.world import ACTION, ONE, PAIR, at, submission


def planned(*needs):
    """A definition as a database may hold it, whatever a check would say of it."""
    plan = tuple(PlannedTask("abcd"[n], ACTION, "work", of) for n, of in enumerate(needs))
    return Definition(f"digest {needs}", "demo", {"workflow": "demo", "tasks": []}, plan)


ROUND = {  # plans whose tasks wait for ever
    "for itself": planned((0,)),
    "in a circle": planned((1,), (0,)),
    "for one that is not there": planned((7,)),
}


class Stalls:
    async def test_a_need_that_is_named_twice_is_met_once(self, world):
        job = await world.start(planned((), (0, 0), (1, 0, 1)))
        await world.perform(job)
        assert await world.states(job) == ["completed"] * 4

    @pytest.mark.parametrize("plan", ROUND)
    async def test_a_job_whose_tasks_wait_for_ever_ends_as_failed(self, world, plan):
        await world.setting(SYSTEM, max_jobs=1)
        job = await world.start(ROUND[plan], urls=[ONE])
        [other] = await world.submit(submission())
        child = await child_of(world, job)
        recorded, later = await world.store.sweep_jobs(0, at(60))
        assert (recorded.ended_jobs, recorded.called, recorded.waited) == ((job,), True, True)
        assert later is None
        await world.cascade()
        shown = (await world.job(job)).job
        assert (shown.state, shown.failed) == (JobState.COMPLETED, True)
        told = f"job has failed: 'a' failed: {STALLED}"
        assert told in [line for _, _, line in await world.lines(job)]
        assert await world.events() == {ONE: ["fail", "end"]}
        assert await state(world, child) == "broken"
        assert await world.admit() == 1
        assert await state(world, other) == "started"
        assert (await world.store.sweep_jobs(0, at(120)))[0].ended_jobs == ()

    async def test_a_job_without_any_task_ends_as_failed(self, world):
        job = await world.start(planned(), urls=[ONE])
        assert (await world.store.sweep_jobs(0, at(60)))[0].ended_jobs == (job,)
        shown = (await world.job(job)).job
        assert (shown.state, shown.failed) == (JobState.COMPLETED, True)
        assert [line for _, _, line in await world.lines(job)] == [f"job has failed: {STALLED}"]
        assert await world.events() == {ONE: ["end"]}

    async def test_whoever_works_or_waits_for_a_worker_is_let_be(self, world):
        jobs = [await world.start(PAIR), await world.start(), await world.start()]
        await world.claim(1)
        await world.store.change(jobs[2], {"queue_state": JobState.PAUSED}, [], at(1))
        recorded, _ = await world.store.sweep_jobs(0, at(60))
        assert recorded.ended_jobs == ()
