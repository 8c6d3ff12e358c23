"""Promises of jobs that were stopped and run again, and of retries: they go on from the tasks that
did not complete."""

import json
from datetime import timedelta

import pytest

from taskengine.model import BadInput, Ended, JobState, Outcome
from taskengine.policy import SYSTEM
from taskengine.testing.contract.dependencies import child_of, rerun, state
from taskengine.testing.contract.updates import BROKEN, PAUSED, QUEUED, REFUSED, change
from taskengine.testing.contract.world import (
    CHAIN,
    LINE,
    ONE,
    TWO,
    at,
    definition,
    done,
    failed,
    submission,
)
from taskengine.testing.times import NOON

SIDES = definition([], [], [0, 1], [2])  # a and b, then c, then d


async def retry(world, job_id, now=NOON, anew=None):
    new = await world.store.retry(job_id, [LINE], now, anew)
    await world.cascade(now)
    return new


async def fail_at(world, name, plan=CHAIN, **fields):
    """A job that failed in a task, after those before it gave results."""
    job_id = await world.start(plan, **fields)
    while attempts := await world.claim(1, at(9)):
        [attempt] = attempts
        is_last = attempt.task.name == name
        end = failed(attempt, when=at(5)) if is_last else done(attempt, at(3), of=attempt.task.name)
        await world.record(end)
    return job_id


class Retries:
    # Stopped jobs run again

    async def test_a_stopped_job_runs_again(self, world):
        old = await world.start(CHAIN, urls=[ONE])
        await world.record(done((await world.claim())[0]))
        await change(world, old, BROKEN)
        new = await rerun(world, old, at(9), [LINE])
        assert await world.states(new) == ["queued"]
        assert ((await world.job(old)).rerun_as, (await world.job(new)).rerun_of) == (new, old)
        assert await rerun(world, old) == new
        assert await world.admit() == 1
        await world.perform(new)
        assert await state(world, new) == "completed"

    async def test_a_rerun_waits_for_the_tasks_that_are_being_stopped(self, world):
        old = await world.start()
        [attempt] = await world.claim()
        await change(world, old, BROKEN)
        new = await rerun(world, old)
        assert await state(world, new) == "pending"
        await world.record(Ended(attempt.fence, at(4), Outcome.CANCELLED))
        assert await state(world, new) == "queued"

    async def test_what_waited_for_a_stopped_job_was_broken_and_runs_after_its_rerun(self, world):
        parent = await world.start()
        child = await child_of(world, parent)
        await change(world, parent, BROKEN)
        await world.cascade()
        assert await state(world, child) == "broken"
        with pytest.raises(BadInput, match=f"job {parent}, which did not complete"):
            await rerun(world, child)
        assert (await world.job(child)).rerun_as is None
        again = await rerun(world, parent)
        new = await rerun(world, child)
        assert (await state(world, new), (await world.job(new)).depends_on) == ("pending", [again])
        await world.admit()
        await world.perform(again)
        assert await state(world, new) == "queued"

    async def test_what_was_not_told_yet_of_a_stop_waits_for_the_rerun(self, world):
        parent = await world.start()
        child = await child_of(world, parent)
        await world.store.change(parent, BROKEN, [], NOON)
        again = await world.store.rerun(parent, [LINE], NOON)
        await world.cascade()
        assert (await state(world, child), (await world.job(child)).depends_on) == (
            "pending",
            [again],
        )

    async def test_what_was_satisfied_before_a_stop_stays_so(self, world):
        parent = await world.start()
        child = await child_of(world, parent)
        await world.perform(parent)
        await change(world, child, BROKEN)
        await rerun(world, parent)
        assert await state(world, await rerun(world, child)) == "queued"

    # Retries

    async def test_a_retry_runs_what_did_not_complete_with_the_results_of_the_rest(self, world):
        old = await fail_at(world, "b", urls=[ONE, TWO], priority=3, parameters={"x": 1})
        await world.events()
        new = await retry(world, old)
        original, copy = await world.job(old), await world.job(new)
        assert (original.job.state, original.rerun_as, copy.rerun_of) == (JobState.BROKEN, new, old)
        assert (copy.job.priority, copy.parameters) == (3, {"x": 1})
        assert await world.states(new) == ["queued", "completed", "waiting", "waiting"]
        kept, _, _ = copy.tasks
        before = original.tasks[0]
        assert (kept.result, kept.started_at, kept.ended_at, kept.progress, kept.attempt) == (
            {"of": "a"},
            before.started_at,
            at(3),
            1,
            1,
        )
        assert await world.lines(new) == [
            ("api", 0, "received"),
            (
                "controller",
                0,
                f"goes on where job {old} ended: 1 of 3 tasks are kept, with their results",
            ),
        ]
        assert await world.admit() == 1
        [attempt] = await world.claim()
        assert attempt.task.name == "b"
        assert json.loads(attempt.documents.results) == {"a": {"of": "a"}}
        await world.record(done(attempt))
        await world.perform(new)
        assert await world.states(new) == ["completed"] * 4
        assert (await world.job(new)).job.failed is False
        heard = await world.events()
        told = ["complete", "start", "complete", "end"]
        assert heard == {ONE: told, TWO: told}

    async def test_attempts_are_counted_on_and_failures_anew(self, world):
        old = await fail_at(world, "b")
        new = await retry(world, old)
        await world.admit()
        [attempt] = await world.claim()
        assert (attempt.task.attempt, attempt.task.failures) == (2, 0)
        assert attempt.job.workspace == old
        await world.record(failed(attempt))
        newest = await retry(world, new)
        assert (await world.job(newest)).job.workspace == old
        assert (await world.job(newest)).tasks[1].attempt == 2

    async def test_branches_that_completed_are_kept(self, world):
        old = await world.start(SIDES)
        one, two = await world.claim()
        await world.record(done(two), failed(one))
        new = await retry(world, old)
        assert await world.states(new) == [
            "queued",
            "waiting",
            "completed",
            "waiting",
            "waiting",
        ]
        await world.admit()
        await world.perform(new)
        assert await state(world, new) == "completed"

    async def test_a_stopped_job_is_retried_and_one_that_never_ran_begins(self, world):
        ran, waited = await world.start(CHAIN), await world.start(CHAIN)
        [attempt] = [one for one in await world.claim() if one.job.id == ran]
        await world.record(done(attempt))
        for job_id in (ran, waited):
            await change(world, job_id, BROKEN)
        [queued] = await world.submit(submission(CHAIN))
        await change(world, queued, BROKEN)
        assert await world.states(await retry(world, ran)) == [
            "queued",
            "completed",
            "waiting",
            "waiting",
        ]
        assert await world.states(await retry(world, queued)) == ["queued"]

    async def test_a_second_retry_or_rerun_answers_with_the_first(self, world):
        old = await fail_at(world, "b")
        new = await retry(world, old)
        assert [await retry(world, old), await rerun(world, old)] == [new, new]

    async def test_what_has_not_ended_or_has_completed_or_was_refused_is_not_retried(self, world):
        completed, running = await world.start(), await world.start()
        attempts = {one.job.id: one for one in await world.claim()}
        await world.record(done(attempts[completed]))
        [refused] = await world.submit(REFUSED)
        for job_id, why in (
            (completed, "the job has completed: nothing is left to do"),
            (running, "the job is started: it has not ended"),
            (refused, "the job was refused"),
        ):
            with pytest.raises(BadInput, match=why):
                await retry(world, job_id)
            assert (await world.job(job_id)).rerun_as is None

    async def test_by_another_definition_what_that_says_otherwise_runs_too(self, world):
        old = await fail_at(world, "d", SIDES)
        anew = submission(definition([], [], [0, 1], [2], [3]))
        new = await retry(world, old, anew=anew)
        assert await world.states(new) == ["queued", *["completed"] * 3, *["waiting"] * 2]

    async def test_what_needs_a_changed_task_runs_again_with_it(self, world):
        changed = definition([], [], [0, 1], [2], [3])
        changed.content["tasks"][1]["with"] = {"seconds": 1}
        old = await fail_at(world, "d", SIDES)
        new = await retry(world, old, anew=submission(changed))
        assert await world.states(new) == ["queued", "completed", *["waiting"] * 4]

    async def test_where_all_is_done_the_last_task_runs_again(self, world):
        job_id = await world.start()
        [attempt] = await world.claim()
        await change(world, job_id, BROKEN)
        await world.record(done(attempt))
        assert await world.states(job_id) == ["broken", "completed"]
        new = await retry(world, job_id)
        await world.admit()
        await world.perform(new)
        assert await world.states(new) == ["completed", "completed"]

    async def test_a_retry_is_paused_stopped_and_resumed_as_any_job(self, world):
        new = await retry(world, await fail_at(world, "b", urls=[ONE]))
        await change(world, new, PAUSED)
        assert await world.admit() == 0
        await change(world, new, QUEUED)
        assert await world.admit() == 1
        [attempt] = await world.claim()
        assert attempt.task.name == "b"
        await change(world, new, BROKEN)
        await world.record(Ended(attempt.fence, at(4), Outcome.CANCELLED))
        assert await world.states(new) == ["broken", "completed", "cancelled", "cancelled"]

    # What tasks left

    async def test_the_workspace_of_what_may_be_retried_is_kept_for_a_while(self, world):
        old, good = await fail_at(world, "b"), await world.start()
        await world.perform(good)
        assert await kept(world, [old, good], at(5)) == {old}
        assert await kept(world, [old, good], at(6)) == set()
        new = await retry(world, old)
        assert await kept(world, [old, new], at(99)) == {old}
        await world.admit()
        await world.perform(new)
        assert await kept(world, [old, new], at(0)) == set()

    async def test_a_workspace_goes_when_the_job_runs_again_as_a_whole(self, world):
        old = await fail_at(world, "b")
        await rerun(world, old)
        assert await kept(world, [old], at(0)) == set()

    async def test_after_that_only_all_of_it_runs_again(self, world):
        await world.setting(SYSTEM, retry_hours=2)
        late = at(5) + timedelta(hours=2, seconds=1)
        first, second = await fail_at(world, "b"), await fail_at(world, "a")
        with pytest.raises(BadInput, match="more than 2 h ago"):
            await retry(world, first, late)
        new = await retry(world, second, late)  # it keeps nothing
        assert await world.states(new) == ["queued"]
        assert (await world.job(new)).job.workspace is None


async def kept(world, job_ids, ended_after):
    return await world.store.workspaces_in_use(job_ids, ended_after)
