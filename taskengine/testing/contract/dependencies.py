"""Promises of jobs that wait for others: `depends_on` and reruns (A19, A20)."""

import json

import pytest

from taskengine.model import BadInput, JobState
from taskengine.policy import SYSTEM
from taskengine.testing.contract.updates import BROKEN, PAUSED, QUEUED, REFUSED, change
from taskengine.testing.contract.world import (
    CHAIN,
    LINE,
    ONE,
    PAIR,
    SINGLE,
    TWO,
    at,
    done,
    failed,
    released,
    submission,
)
from taskengine.testing.times import NOON


async def child_of(world, *parents, **fields):
    [job_id] = await world.submit(submission(SINGLE, depends_on=parents, **fields))
    return job_id


async def rerun(world, job_id, now=NOON, lines=()):
    new = await world.store.rerun(job_id, lines, now)
    await world.cascade(now)
    return new


async def state(world, job_id):
    return (await world.job(job_id)).job.state.label


class Dependencies:
    # Jobs that depend on others

    async def test_a_child_is_pending_until_all_its_parents_have_completed(self, world):
        one, two = await world.start(), await world.start()
        child = await child_of(world, two, one, two)
        assert (await world.job(child)).depends_on == [one, two]
        for attempt in await world.claim():
            assert await state(world, child) == "pending"
            assert await world.admit() == 0
            await world.record(done(attempt, at(7)))
        job = (await world.job(child)).job
        assert (job.state, job.updated_at) == (JobState.QUEUED, at(7))
        assert await world.admit() == 1

    async def test_parents_that_end_in_one_batch_let_it_go(self, world):
        parents = [await world.start(), await world.start()]
        child = await child_of(world, *parents)
        await world.record(*[done(one) for one in await world.claim()])
        assert await state(world, child) == "queued"

    @pytest.mark.parametrize("fields", [{"run_at": at(60)}, {"semaphore_url": "http://gate.test"}])
    async def test_a_freed_job_waits_for_its_own_time_and_gate(self, world, fields):
        parent = await world.start()
        child = await child_of(world, parent, **fields)
        assert await world.store.queue_due(at(99)) == (0, None)
        assert await world.store.claim_gates(9, (), at(99), at(9) - NOON) == ([], None)
        await world.perform(parent)
        assert await state(world, child) == "scheduled"

    async def test_completed_parents_hold_up_nobody(self, world):
        parent = await world.start()
        await world.perform(parent)
        child = await child_of(world, parent)
        assert await state(world, child) == "queued"
        assert (await world.job(child)).depends_on == [parent]

    async def test_a_parent_that_failed_breaks_its_children_and_theirs(self, world):
        parent = await world.start(urls=[ONE])
        child = await child_of(world, parent, urls=[ONE, TWO], submitted={"custom_data": 5})
        grandchild = await child_of(world, child)
        await world.record(failed((await world.claim())[0], when=at(3)))
        for job_id, lost in ((child, parent), (grandchild, child)):
            job = (await world.job(job_id)).job
            assert (job.state, job.failed, job.updated_at) == (JobState.BROKEN, True, at(3))
            told = f"job has failed: it depends on job {lost}, which did not complete"
            assert await world.lines(job_id) == [("controller", 0, told)]
        lanes = [lane for lane in await world.lanes(at(9)) if lane.job_id == child]
        assert [lane.url for lane in lanes] == [ONE, TWO]
        for lane in lanes:
            [callback] = lane.callbacks
            assert (callback.event, callback.task_id) == ("end", 0)
            assert json.loads(callback.body) == {
                "job_id": str(child),
                "status": "failed",
                "workflow": "demo",
                "content_id": None,
                "custom_data": 5,
                "message": f"it depends on job {parent}, which did not complete",
                "time": None,
                "client": "acme",
            }

    async def test_a_parent_that_is_stopped_breaks_them_while_its_tasks_still_work(self, world):
        parent = await world.start(PAIR)
        [attempt] = await world.claim(1)
        child = await child_of(world, parent, urls=[ONE])
        await change(world, parent, BROKEN)
        assert await state(world, child) == "broken"
        await world.record(released(attempt))
        assert await world.events() == {ONE: ["end"]}

    async def test_a_child_that_is_reached_in_two_ways_is_broken_once(self, world):
        root = await world.start()
        one, two = await child_of(world, root), await child_of(world, root)
        last = await child_of(world, root, one, two, urls=[ONE])
        after = await child_of(world, last, one, urls=[TWO])
        await change(world, root, BROKEN)
        for job_id, because in ((last, root), (after, one)):
            told = f"job has failed: it depends on job {because}, which did not complete"
            assert await world.lines(job_id) == [("controller", 0, told)]
        assert await world.events() == {ONE: ["end"], TWO: ["end"]}

    @pytest.mark.parametrize("order", [1, -1])
    async def test_of_parents_that_fail_in_one_batch_the_first_is_named(self, world, order):
        parents = [await world.start(), await world.start()]
        child = await child_of(world, *parents)
        await world.record(*[failed(one) for one in await world.claim()][::order])
        [(_, _, told)] = await world.lines(child)
        assert f"it depends on job {parents[0]}," in told

    @pytest.mark.parametrize("order", [1, -1])
    async def test_one_that_fails_outweighs_one_that_completes(self, world, order):
        parents = [await world.start(), await world.start()]
        child = await child_of(world, *parents)
        one, two = await world.claim()
        await world.record(*[done(one), failed(two)][::order])
        assert await state(world, child) == "broken"
        assert len(await world.lines(child)) == 1

    @pytest.mark.parametrize("end", [failed, done])
    async def test_a_child_that_was_stopped_hears_no_more_of_its_parents(self, world, end):
        parent = await world.start()
        child = await child_of(world, parent, urls=[ONE])
        await change(world, child, BROKEN, at(1))
        before = await world.job(child)
        await world.record(end((await world.claim())[0], when=at(9)))
        assert await world.job(child) == before
        assert len(await world.lines(child)) == 1
        assert await world.events() == {}

    async def test_a_child_of_a_lost_parent_is_recorded_as_broken(self, world):
        running, failing = await world.start(), await world.start()
        attempts = {one.job.id: one for one in await world.claim()}
        await world.record(failed(attempts[failing]))
        [refused] = await world.submit(REFUSED)
        for lost in (failing, refused, 404):
            child = await child_of(world, running, lost, urls=[ONE], lines=[LINE])
            job = (await world.job(child)).job
            assert (job.state, job.failed) == (JobState.BROKEN, True)
            told = f"job has failed: it depends on job {lost}, which did not complete"
            assert await world.lines(child) == [("api", 0, "received"), ("controller", 0, told)]
            assert await world.events() == {ONE: ["end"]}
        before = await world.job(child), await world.lines(child)
        await world.record(failed(attempts[running]))
        assert (await world.job(child), await world.lines(child)) == before

    async def test_a_pending_child_may_be_paused_and_resumed(self, world):
        parent = await world.start()
        child = await child_of(world, parent)
        with pytest.raises(BadInput, match="pending cannot be queued"):
            await change(world, child, QUEUED)
        for _ in range(2):
            await change(world, child, PAUSED)
            await change(world, child, QUEUED)
            assert await state(world, child) == "pending"
        await change(world, child, PAUSED)
        await world.perform(parent)
        assert await state(world, child) == "paused"
        await change(world, child, QUEUED)
        assert await state(world, child) == "queued"

    async def test_a_paused_child_is_broken_with_its_parent(self, world):
        parent = await world.start()
        child = await child_of(world, parent)
        await change(world, child, PAUSED)
        await change(world, parent, BROKEN)
        assert await state(world, child) == "broken"

    async def test_a_refused_job_is_tied_to_nobody(self, world):
        parent = await world.start()
        [refused] = await world.submit(submission(None, refusal="no", depends_on=[parent]))
        await world.perform(parent)
        details = await world.job(refused)
        assert (details.job.state, list(details.depends_on)) == (JobState.BROKEN, [])

    # Reruns

    async def test_a_rerun_is_the_same_job_anew(self, world):
        fields = {
            "priority": 3,
            "position": 7,
            "top_of_queue": True,
            "persist": True,
            "content_id": "c-7",
        }
        given = {
            "submitted": {"x": 1},
            "parameters": {"x": 1, "y": 2},
            "client_scope": {"name": "acme"},
        }
        old = await world.start(CHAIN, urls=[ONE, TWO], **fields, **given)
        await world.perform(old)
        new = await rerun(world, old, at(50), [LINE])
        original, copy = await world.job(old), await world.job(new)
        assert original.job.state is JobState.BROKEN
        assert (original.rerun_as, copy.rerun_of, copy.rerun_as) == (new, old, None)
        assert {name: getattr(copy.job, name) for name in fields} == fields
        assert {name: getattr(copy, name) for name in given} == given
        assert (copy.job.state, copy.job.failed) == (JobState.QUEUED, False)
        assert copy.job.created_at == copy.job.updated_at == copy.job.run_at == at(50)
        assert await world.lines(new) == [("api", 0, "received")]
        await world.events()
        assert await world.admit() == 1
        await world.perform(new)
        assert [lane.url for lane in await world.lanes(at(99))] == [ONE, TWO]

    async def test_a_rerun_may_have_another_definition_and_what_that_makes_of_it(self, world):
        """Its place in the queue, its time and its edges are still the original's."""
        [parent] = await world.submit(submission())
        wanted = submission(
            PAIR,
            priority=2,
            submitted={"n": "1"},
            parameters={"n": 1},
            content_id="one",
            urls=("http://one.example/", "http://two.example/"),
            depends_on=(parent,),
        )
        [old] = await world.submit(wanted)
        anew = submission(
            CHAIN,
            submitted={"n": "1"},
            parameters={"n": 1, "more": True},
            content_id="two",
            urls=("http://three.example/",),
        )
        new = await world.store.rerun(old, [LINE], NOON, anew)
        original, copy = await world.job(old), await world.job(new)
        assert (original.job.digest, copy.job.digest) == (PAIR.digest, CHAIN.digest)
        assert (original.parameters, copy.parameters) == ({"n": 1}, {"n": 1, "more": True})
        assert (original.job.content_id, copy.job.content_id) == ("one", "two")
        assert (copy.job.priority, copy.rerun_of, [*copy.depends_on]) == (2, old, [parent])
        assert await world.store.definition(CHAIN.digest) == CHAIN.content

        await world.admit()
        await world.perform(parent)
        await world.admit()
        await world.perform(new)
        assert await world.states(new) == ["completed"] * 4
        urls = [entry.url for entry in await world.store.callbacks(new)]
        assert set(urls) == {"http://three.example/"}

    async def test_a_second_rerun_answers_with_the_first(self, world):
        old = await world.start()
        await world.perform(old)
        new = await rerun(world, old, lines=[LINE])
        assert await rerun(world, old, at(9), [LINE]) == new
        assert len(await world.lines(new)) == 1
        assert await rerun(world, new) not in (old, new)

    async def test_what_was_refused_is_not_run_again(self, world):
        [refused] = await world.submit(REFUSED)
        with pytest.raises(BadInput):
            await rerun(world, refused, lines=[LINE])
        assert (await world.job(refused)).rerun_as is None

    async def test_a_completed_original_says_nothing_more(self, world):
        old = await world.start(urls=[ONE])
        await world.record(failed((await world.claim())[0]))
        await world.events()
        lines = await world.lines(old)
        await rerun(world, old)
        original = (await world.job(old)).job
        assert (original.state, original.failed) == (JobState.BROKEN, True)
        assert (await world.lines(old), await world.events()) == (lines, {})

    async def test_the_new_job_waits_for_the_tasks_of_a_started_original(self, world):
        await world.setting(SYSTEM, max_jobs=9)
        old = await world.start(PAIR, urls=[ONE])
        one, two = await world.claim()
        new = await rerun(world, old)
        assert await state(world, new) == "pending"
        assert (await world.job(new)).depends_on == []
        assert (await world.store.beat(world.instance)).unwanted == {one.fence, two.fence}
        await world.record(done(one))
        assert await state(world, new) == "pending"
        await world.record(failed(two))
        assert await state(world, new) == "queued"
        assert await world.events() == {ONE: ["end"]}

    async def test_or_for_the_death_of_their_holder(self, world):
        old = await world.start()
        await world.claim()
        new = await rerun(world, old)
        other = await world.store.join("second", NOON)
        beat = (await world.store.beats())[world.instance]
        await world.store.rescue(world.instance, beat, at(30))
        assert await state(world, new) == "queued"
        assert (await world.store.admit(other, NOON)).number == 1

    async def test_or_until_their_holder_has_left(self, world):
        old = await world.start()
        await world.claim()
        new = await rerun(world, old)
        await world.store.leave(world.instance, at(30))
        assert await state(world, new) == "queued"

    async def test_a_rerun_of_the_rerun_waits_for_them_too(self, world):
        old = await world.start()
        [attempt] = await world.claim()
        newest = await rerun(world, await rerun(world, old))
        assert await state(world, newest) == "pending"
        await world.record(released(attempt))
        assert await state(world, newest) == "queued"

    async def test_children_wait_for_the_new_job(self, world):
        old = await world.start()
        child = await child_of(world, old)
        [attempt] = await world.claim()
        new = await rerun(world, old)
        await world.record(released(attempt))
        assert await state(world, child) == "pending"
        assert (await world.job(child)).depends_on == [new]
        await world.admit()
        await world.perform(new)
        assert await state(world, child) == "queued"

    async def test_a_child_submitted_after_a_rerun_waits_for_the_last_run(self, world):
        old = await world.start()
        await world.perform(old)
        new = await rerun(world, old)
        newest = await rerun(world, new)
        child = await child_of(world, old, new, newest)
        assert await state(world, child) == "pending"
        assert (await world.job(child)).depends_on == [newest]
        await world.admit()
        await world.perform(newest)
        assert await state(world, child) == "queued"
        assert await state(world, await child_of(world, old)) == "queued"

    async def test_a_failed_job_that_was_run_again_breaks_nobody(self, world):
        old = await world.start()
        [attempt] = await world.claim()
        await world.record(failed(attempt))
        assert await state(world, await child_of(world, old)) == "broken"
        await rerun(world, old)
        assert await state(world, await child_of(world, old)) == "pending"

    async def test_a_satisfied_child_stays_satisfied(self, world):
        old = await world.start()
        child = await child_of(world, old)
        await world.perform(old)
        await rerun(world, old)
        assert await state(world, child) == "queued"

    async def test_a_rerun_of_a_child_waits_for_the_same_parents(self, world):
        ended, running = await world.start(), await world.start()
        attempts = {one.job.id: one for one in await world.claim()}
        await world.record(done(attempts[ended]))
        child = await child_of(world, ended, running, urls=[ONE])
        new = await rerun(world, child)
        assert (await world.job(new)).depends_on == [ended, running]
        assert [await state(world, one) for one in (child, new)] == ["broken", "pending"]
        await world.record(failed(attempts[running]))
        assert [(await world.job(one)).job.failed for one in (child, new)] == [False, True]
        assert await world.events() == {ONE: ["end"]}

    async def test_a_rerun_keeps_its_time_and_its_gate(self, world):
        gate = "http://gate.test"
        early, late = await world.submit(
            submission(run_at=at(1), semaphore_url=gate), submission(run_at=at(60))
        )
        copies = [(await world.job(await rerun(world, one, at(9)))).job for one in (early, late)]
        assert [(one.state.label, one.run_at, one.semaphore_url) for one in copies] == [
            ("scheduled", at(9), gate),
            ("scheduled", at(60), None),
        ]
