"""The sweep of jobs that a hand in the database left with a slot and nothing to do."""

import pytest

from taskengine.store.postgres import stalled
from taskengine.testing.contract.updates import BROKEN
from taskengine.testing.contract.world import CHAIN, ONE, World, at, submission
from tests.contract.recount import assert_counters_are_true, fetch

WAYS = {  # what was done to a started job: how it ends
    "update tasks set state = 0 where job_id = $1": "completed",
    "update tasks set state = 0, waits_for = 9 where job_id = $1": "completed",
    "update tasks set state = 5 where job_id = $1": "completed",
    "delete from tasks where job_id = $1": "completed",
    "with t as (update tasks set state = 0 where job_id = $1) "
    "update jobs set open_tasks = 7 where id = $1": "completed",
    "with t as (update tasks set state = 0 where job_id = $1) "
    "update jobs set open_tasks = 0 where id = $1": "completed",
}


@pytest.fixture
async def world(postgres_store):
    return await World(postgres_store).settle()


@pytest.mark.parametrize("way", WAYS)
async def test_a_stalled_job_ends_as_failed_and_tells_so(world, way):
    job = await world.start(CHAIN, urls=[ONE])
    await fetch(world.store, way, job)
    recorded, _ = await world.store.sweep_jobs(0, at(60))
    assert recorded.ended_jobs == (job,)
    details = await world.job(job)
    assert (details.job.state.label, details.job.failed) == (WAYS[way], True)
    assert "job has failed" in (await world.lines(job))[-1][2]
    assert (await world.events())[ONE][-1] == "end"
    assert (await world.store.sweep_jobs(0, at(120)))[0].ended_jobs == ()
    assert await fetch(world.store, "select 1 from jobs where band is not null") == []
    await assert_counters_are_true(world.store, cleared=True)


async def test_a_job_that_was_stopped_lets_go_of_its_slot(world):
    job = await world.start(CHAIN)
    await world.claim()
    await world.store.change(job, BROKEN, [], at(1))
    assert (await world.store.sweep_jobs(0, at(60)))[0].ended_jobs == ()  # its task still works
    await fetch(world.store, "update tasks set state = 5, holder = null where job_id = $1", job)
    assert (await world.store.sweep_jobs(0, at(60)))[0].ended_jobs == (job,)
    assert await world.states(job) == ["broken", "cancelled", "cancelled", "cancelled"]
    assert await fetch(world.store, "select 1 from jobs where band is not null") == []


async def test_a_definition_that_is_gone_holds_up_no_other_job(world):
    [lost, other] = await world.submit(submission(CHAIN, priority=1), submission())
    await fetch(world.store, "delete from definitions where tasks = 3")
    assert await world.admit() == 2
    assert (await world.store.sweep_jobs(0, at(60)))[0].ended_jobs == (lost,)
    assert await world.states(other) == ["started", "queued"]


async def test_the_sweep_goes_on_where_it_came_to(world, monkeypatch):
    monkeypatch.setattr(stalled, "PAGE_SIZE", 2)
    jobs = [await world.start(CHAIN) for _ in range(3)]
    await fetch(world.store, "update tasks set state = 0")
    first, after = await world.store.sweep_jobs(0, at(60))
    assert (first.ended_jobs, after) == (tuple(jobs[:2]), jobs[1])
    second, after = await world.store.sweep_jobs(after, at(60))
    assert (second.ended_jobs, after) == (tuple(jobs[2:]), None)
