"""Promises of updates: pausing, resuming and stopping jobs, and their other fields (A19)."""

import json

import pytest

from taskengine.model import BadInput, Began, Ended, JobState, NotFound, Outcome, Severity
from taskengine.policy import SYSTEM
from taskengine.testing.contract.world import (
    CHAIN,
    DIAMOND,
    LATER,
    LINE,
    ONE,
    PAIR,
    SINGLE,
    again,
    at,
    done,
    failed,
    released,
    submission,
)
from taskengine.testing.times import NOON

PAUSED = {"queue_state": JobState.PAUSED}
BROKEN = {"queue_state": JobState.BROKEN}
QUEUED = {"queue_state": JobState.QUEUED}
REFUSED = submission(None, refusal="no such workflow")


async def change(world, job_id, changes, now=NOON, lines=()):
    changed = await world.store.change(job_id, changes, lines, now)
    await world.cascade(now)
    return changed


class Updates:
    # Pausing and resuming

    async def test_a_paused_job_is_passed_over_until_it_is_resumed(self, world):
        paused, other = await world.submit(submission(), submission())
        assert (await change(world, paused, PAUSED, at(1))).job.state is JobState.PAUSED
        assert await world.admit() == 1
        assert [one.job.id for one in await world.claim()] == [other]
        assert (await change(world, paused, QUEUED, at(2))).job.state is JobState.QUEUED
        assert (await world.job(paused)).job.updated_at == at(2)
        assert await world.admit() == 1
        assert [one.job.id for one in await world.claim()] == [paused]

    async def test_pausing_a_started_job_holds_its_tasks_and_frees_its_slot(self, world):
        await world.setting(SYSTEM, max_jobs=1)
        job_id = await world.start(PAIR)
        [attempt] = await world.claim(1)
        await change(world, job_id, PAUSED)
        assert await world.states(job_id) == ["paused", "working", "waiting"]
        assert await world.claim(now=at(99)) == []
        assert (await world.store.totals()).queued == {}
        assert (await world.store.beat(world.instance)).unwanted == frozenset()
        assert await world.store.current(world.instance, attempt.fence)
        await world.start(PAIR)

    async def test_resuming_admits_again_and_writes_no_task_twice(self, world):
        job_id = await world.start(DIAMOND)
        [first] = await world.claim()
        await world.record(done(first))
        [second] = await world.claim(1)
        await change(world, job_id, PAUSED)
        await world.record(done(second))
        before = (await world.job(job_id)).tasks
        assert [task.state.label for task in before[2:]] == ["waiting", "waiting"]
        await change(world, job_id, QUEUED)
        assert await world.admit() == 1
        after = (await world.job(job_id)).tasks
        assert [task.id for task in after] == [task.id for task in before]
        assert [task.state.label for task in after[2:]] == ["queued", "waiting"]
        await world.perform(job_id)
        assert (await world.states(job_id))[0] == "completed"

    async def test_a_task_that_could_go_on_meanwhile_is_held(self, world):
        job_id = await world.start(CHAIN)
        [attempt] = await world.claim()
        await change(world, job_id, PAUSED)
        recorded = await world.record(done(attempt))
        assert not recorded.ended_jobs
        assert await world.states(job_id) == ["paused", "completed", "waiting", "waiting"]
        assert await world.claim(now=at(99)) == []
        await change(world, job_id, QUEUED)
        await world.admit()
        assert [one.task.number for one in await world.claim()] == [1]

    async def test_a_paused_job_completes_when_its_last_task_ends(self, world):
        job_id = await world.start(urls=[ONE])
        [attempt] = await world.claim()
        await change(world, job_id, PAUSED)
        assert (await world.record(done(attempt))).ended_jobs == (job_id,)
        assert await world.states(job_id) == ["completed", "completed"]
        assert await world.events() == {ONE: ["complete", "end"]}

    async def test_a_paused_job_fails_with_its_running_task(self, world):
        job_id = await world.start(CHAIN)
        [attempt] = await world.claim()
        await change(world, job_id, PAUSED)
        assert (await world.record(failed(attempt))).ended_jobs == (job_id,)
        assert await world.states(job_id) == ["completed", "failed", "cancelled", "cancelled"]

    @pytest.mark.parametrize("run_at", [at(0), at(5)])
    async def test_a_job_that_fails_while_paused_is_counted_wherever_it_goes(self, world, run_at):
        job_id = await world.start(PAIR)
        one, two = await world.claim()
        await change(world, job_id, PAUSED)
        await change(world, job_id, {"run_at": run_at})
        await world.record(failed(one))
        for state in (await change(world, job_id, QUEUED)).job.state, JobState.STARTED:
            assert (await world.store.totals()).jobs == {(state, True): 1}
            await world.store.queue_due(at(5))
            await world.admit(at(5))
        await world.record(done(two))
        assert (await world.store.totals()).jobs == {(JobState.COMPLETED, True): 1}

    async def test_a_retry_while_paused_is_held_and_keeps_its_time(self, world):
        job_id = await world.start()
        [attempt] = await world.claim()
        await change(world, job_id, PAUSED)
        await world.record(again(attempt, at(30)))
        assert await world.states(job_id) == ["paused", "waiting"]
        await change(world, job_id, QUEUED)
        await world.admit(at(10))
        assert await world.claim(now=at(29)) == []
        [attempt] = await world.claim(now=at(30))
        assert (attempt.task.attempt, attempt.task.failures) == (2, 1)

    async def test_what_is_handed_back_while_paused_is_held(self, world):
        job_id = await world.start(PAIR)
        one, _ = await world.claim()
        await change(world, job_id, PAUSED)
        await world.record(released(one))
        await world.store.leave(world.instance, NOON)
        assert await world.states(job_id) == ["paused", "waiting", "waiting"]

    async def test_a_rescue_while_paused_is_counted(self, world):
        job_id = await world.start()
        await world.claim()
        await change(world, job_id, PAUSED)
        beat = (await world.store.beats())[world.instance]
        await world.store.rescue(world.instance, beat, NOON)
        [task] = (await world.job(job_id)).tasks
        assert (task.state.label, task.rescues) == ("waiting", 1)

    async def test_a_job_resumed_before_its_tasks_ended_goes_on(self, world):
        job_id = await world.start(CHAIN)
        [attempt] = await world.claim()
        for asked in (PAUSED, QUEUED):
            await change(world, job_id, asked)
        assert await world.admit() == 1
        assert await world.states(job_id) == ["started", "working", "waiting", "waiting"]
        await world.record(done(attempt))
        assert await world.states(job_id) == ["started", "completed", "queued", "waiting"]

    @pytest.mark.parametrize(
        ("fields", "state"),
        [
            ({"run_at": at(60)}, "scheduled"),
            ({"run_at": at(1)}, "queued"),
            ({"semaphore_url": "http://gate.test"}, "scheduled"),
        ],
    )
    async def test_a_job_is_resumed_to_where_it_would_wait_now(self, world, fields, state):
        [job_id] = await world.submit(submission(**fields))
        await change(world, job_id, PAUSED)
        assert await world.store.queue_due(at(99)) == (0, None)
        assert await world.store.claim_gates(9, (), at(99), at(60) - NOON) == ([], None)
        await change(world, job_id, QUEUED, at(9))
        assert await world.states(job_id) == [state]

    # Stopping

    async def test_a_job_that_never_started_is_stopped_without_a_callback(self, world):
        [job_id] = await world.submit(submission(urls=[ONE]))
        assert (await change(world, job_id, BROKEN)).job.state is JobState.BROKEN
        assert await world.admit() == 0
        assert await world.events() == {}
        assert await world.lines(job_id) == [("controller", 0, "the job was stopped")]
        assert not (await world.job(job_id)).job.failed

    async def test_stopping_cancels_what_waits_and_keeps_the_slot_of_what_runs(self, world):
        await world.setting(SYSTEM, max_jobs=1)
        job_id = await world.start(PAIR)
        [attempt] = await world.claim(1)
        await change(world, job_id, BROKEN, at(3))
        assert await world.states(job_id) == ["broken", "working", "cancelled"]
        assert (await world.job(job_id)).tasks[1].ended_at == at(3)
        beat = await world.store.beat(world.instance)
        assert (beat.held, beat.unwanted) == ({attempt.fence}, {attempt.fence})
        assert not await world.store.current(world.instance, attempt.fence)
        assert await world.store.workspaces_in_use([job_id], LATER) == {job_id}
        await world.submit(submission())
        assert await world.admit() == 0
        cancelled = Ended(attempt.fence, at(4), Outcome.CANCELLED)
        assert (await world.record(cancelled)).ended_jobs == (job_id,)
        assert await world.states(job_id) == ["broken", "cancelled", "cancelled"]
        assert await world.store.workspaces_in_use([job_id], LATER) == frozenset()
        assert await world.admit() == 1

    async def test_stopping_a_job_without_a_running_task_frees_its_slot(self, world):
        await world.setting(SYSTEM, max_jobs=1)
        job_id = await world.start(CHAIN)
        await change(world, job_id, BROKEN)
        assert await world.states(job_id) == ["broken", "cancelled", "cancelled", "cancelled"]
        await world.start()

    async def test_the_job_callback_tells_of_the_stop_and_is_the_last(self, world):
        submitted = {"custom_data": {"n": 7}}
        job_id = await world.start(PAIR, urls=[ONE], content_id="c-7", submitted=submitted)
        one, two = await world.claim()
        await world.record(Began(one.fence, NOON))
        assert (await change(world, job_id, BROKEN)).called
        await world.record(Began(two.fence, NOON), done(one), failed(two))
        [lane] = await world.lanes()
        assert [call.event for call in lane.callbacks] == ["start", "end"]
        assert json.loads(lane.callbacks[1].body) == {
            "job_id": str(job_id),
            "status": "failed",
            "workflow": "demo",
            "content_id": "c-7",
            "custom_data": {"n": 7},
            "message": "the job was stopped",
            "time": None,
            "client": "acme",
        }
        assert await world.lines(job_id) == [("controller", two.task.id, "the job was stopped")]

    @pytest.mark.parametrize("outcome", Outcome)
    async def test_the_end_of_a_stopped_task_is_accepted_once(self, world, outcome):
        job_id = await world.start(urls=[ONE])
        [attempt] = await world.claim()
        await change(world, job_id, BROKEN)
        end = Ended(attempt.fence, at(1), outcome, due_at=at(9))
        recorded = await world.record(end)
        assert (recorded.stale, recorded.ended_jobs) == (frozenset(), (job_id,))
        before = await world.job(job_id)
        assert before.job.state is JobState.BROKEN
        again_told = await world.record(end)
        assert again_told.ended_jobs == ()
        assert await world.job(job_id) == before
        assert await world.claim(now=at(99)) == []
        assert await world.events() == {ONE: ["end"]}

    async def test_a_paused_job_is_stopped_too(self, world):
        await world.setting(SYSTEM, max_jobs=1)
        job_id = await world.start(PAIR, urls=[ONE])
        [attempt] = await world.claim(1)
        await change(world, job_id, PAUSED)
        await change(world, job_id, BROKEN)
        assert await world.states(job_id) == ["broken", "working", "cancelled"]
        assert (await world.store.beat(world.instance)).unwanted == {attempt.fence}
        await world.start()
        assert (await world.record(released(attempt))).ended_jobs == (job_id,)
        assert await world.events() == {ONE: ["end"]}

    async def test_a_failing_job_is_stopped_too(self, world):
        job_id = await world.start(PAIR, urls=[ONE])
        one, two = await world.claim()
        await world.record(failed(one))
        await change(world, job_id, BROKEN)
        assert (await world.record(failed(two))).ended_jobs == (job_id,)
        details = await world.job(job_id)
        assert (details.job.state, details.job.failed) == (JobState.BROKEN, True)
        assert await world.events() == {ONE: ["fail", "end"]}

    # Other fields

    async def test_fields_are_kept(self, world):
        [job_id] = await world.submit(submission(run_at=at(9)))
        values = {
            "priority": 2,
            "position": -3,
            "top_of_queue": True,
            "persist": True,
            "run_at": at(20),
            "semaphore_url": "http://gate.test",
        }
        changed = await change(world, job_id, values, at(5))
        job = (await world.job(job_id)).job
        assert job == changed.job
        assert {name: getattr(job, name) for name in values} == values
        assert (job.state, job.updated_at) == (JobState.SCHEDULED, at(5))

    async def test_an_update_decides_who_is_admitted_next(self, world):
        await world.setting(SYSTEM, max_jobs=1)
        first, second, third = await world.submit(*(submission() for _ in range(3)))
        await change(world, third, {"priority": 1})
        await change(world, second, {"top_of_queue": True})
        for job_id in (second, third, first):
            assert await world.admit() == 1
            assert (await world.states(job_id))[0] == "started"
            await world.perform(job_id)

    async def test_tasks_follow_the_priority_of_their_job(self, world):
        first, second = await world.start(CHAIN), await world.start()
        [attempt] = await world.claim(1)
        await change(world, second, {"priority": 1})
        await change(world, first, {"priority": 9})
        await world.record(again(attempt, NOON))
        assert [one.job.id for one in await world.claim()] == [second, first]

    async def test_a_new_time_takes_a_job_out_of_the_queue_and_back(self, world):
        [job_id] = await world.submit(submission())
        await change(world, job_id, {"run_at": at(30)})
        assert await world.admit() == 0
        assert await world.store.queue_due(NOON) == (0, at(30))
        await change(world, job_id, {"run_at": at(-1)})
        assert await world.states(job_id) == ["queued"]

    async def test_a_scheduled_job_is_run_now(self, world):
        for fields in ({"run_at": at(60)}, {"semaphore_url": "http://gate.test"}):
            [job_id] = await world.submit(submission(**fields))
            await change(world, job_id, QUEUED)
            assert await world.admit() == 1
            await world.perform(job_id)

    async def test_lines_are_written_with_the_change_and_only_then(self, world):
        [job_id] = await world.submit(submission())
        await change(world, job_id, {"priority": 3}, at(2), [LINE, (Severity.WARN, "api", "x")])
        told = [("api", 0, "received"), ("api", 0, "x")]
        assert await world.lines(job_id) == told
        before = await world.job(job_id)
        with pytest.raises(BadInput):
            await change(world, job_id, {"queue_state": JobState.STARTED}, at(3), [LINE])
        assert (await world.job(job_id), await world.lines(job_id)) == (before, told)

    @pytest.mark.parametrize("asked", [PAUSED, BROKEN, QUEUED, {"priority": 1}, {"persist": True}])
    async def test_what_is_over_stays_as_it_is(self, world, asked):
        completed = await world.start(SINGLE)
        await world.perform(completed)
        broken, refused = await world.submit(submission(), REFUSED)
        await change(world, broken, BROKEN)
        for job_id in (completed, broken, refused):
            before = await world.job(job_id)
            with pytest.raises(BadInput, match="cannot be changed any more"):
                await change(world, job_id, asked, at(9))
            assert await world.job(job_id) == before

    async def test_an_unknown_job_is_not_found(self, world):
        with pytest.raises(NotFound):
            await change(world, 404, PAUSED)
        with pytest.raises(NotFound):
            await world.store.rerun(404, [], NOON)
