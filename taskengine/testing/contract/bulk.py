"""Promises of bulk operations: on all that matches, in steps, once; aborted, undone."""

from dataclasses import replace
from datetime import timedelta

import pytest

from taskengine.actors.operator import GIVEN_UP, LEASE, Operator
from taskengine.actors.wiring import no_workflow
from taskengine.model import BadInput, JobState, NotFound
from taskengine.operations import ACTIVE, MAX_ACTIVE, BulkAction, BulkOperation, BulkState, limited
from taskengine.store import JobFilter
from taskengine.store.operations import BulkStep
from taskengine.store.types import Cursor
from taskengine.testing.contract.dependencies import child_of, state
from taskengine.testing.contract.updates import BROKEN, QUEUED, change
from taskengine.testing.contract.world import SINGLE, at, failed, submission
from taskengine.testing.times import NOON

OF_ACME = JobFilter(client="acme")


async def begin(world, action, wanted=OF_ACME, **fields):
    action = BulkAction(action)
    asked = BulkOperation("acme", action, limited(action, wanted), NOON, **fields)
    return await world.store.start_operation(asked)


async def run(world, steps=1_000, now=NOON):
    """So many steps of the operation that has waited longest."""
    operator = Operator(world.store, no_workflow, lambda: now, lambda: None)
    one = await world.store.claim_operation(now, LEASE)
    while steps and one is not None and one.state in ACTIVE:
        one, steps = await operator.advance(await operator.next_step(one)), steps - 1
    await world.cascade(now)
    return one


async def states(world, *jobs):
    return [await state(world, job_id) for job_id in jobs]


def counts(one):
    return one.state.value, one.matched, one.done, one.skipped, one.undone


class Bulk:
    async def test_an_operation_changes_all_that_matches_and_nothing_else(self, world):
        mine = await world.submit(*[submission() for _ in range(120)])
        [other] = await world.submit(submission(client="beta"))
        begun = await begin(world, "pause")
        assert counts(begun) == ("counting", 0, 0, 0, 0)
        [later] = await world.submit(submission())
        assert counts(await run(world)) == ("done", 120, 120, 0, 0)
        assert set(await states(world, *mine)) == {"paused"}
        assert await states(world, other, later) == ["queued", "queued"]
        assert await world.lines(mine[0]) == [
            ("api", 0, f"pause, by operation {begun.id} of client acme")
        ]

    async def test_a_dry_run_counts(self, world):
        jobs = await world.submit(submission(), submission(), submission(run_at=at(9)))
        await begin(world, "break", replace(OF_ACME, states=[JobState.QUEUED]), dry_run=True)
        assert counts(await run(world)) == ("done", 2, 0, 0, 0)
        assert await states(world, *jobs) == ["queued", "queued", "scheduled"]

    async def test_another_goes_on_with_what_one_has_left(self, world):
        jobs = await world.submit(*[submission() for _ in range(120)])
        await begin(world, "priority", values={"priority": 1})
        assert counts(await run(world, steps=2)) == ("running", 120, 50, 0, 0)
        assert await world.store.claim_operation(at(1), LEASE) is None
        assert counts(await run(world, now=NOON + LEASE)) == ("done", 120, 120, 0, 0)
        assert {(await world.job(one)).job.priority for one in jobs} == {1}
        assert len(await world.lines(jobs[0])) == len(await world.lines(jobs[-1])) == 1

    async def test_operations_take_turns(self, world):
        await world.submit(*[submission() for _ in range(3)])
        long, short = [await begin(world, "priority", values={"priority": n}) for n in (1, 2)]
        for expected in (long, short, long, short):
            one = await world.store.claim_operation(NOON, LEASE)
            assert one.id == expected.id
            step = BulkStep(one, [], Cursor(1, 1))
            await world.store.advance_operation(step, NOON, GIVEN_UP)

    async def test_a_client_has_so_many_under_way(self, world):
        begun = [await begin(world, "pause") for _ in range(MAX_ACTIVE)]
        with pytest.raises(BadInput, match="at most 100 operations under way"):
            await begin(world, "pause")
        await world.store.start_operation(replace(begun[0], client="beta"))
        await world.store.abort_operation(begun[0].id, NOON)
        await begin(world, "pause")

    async def test_a_step_of_who_was_replaced_does_nothing(self, world):
        [job_id] = await world.submit(submission())
        await begin(world, "pause")
        first = await world.store.claim_operation(NOON, LEASE)
        assert await world.store.claim_operation(NOON + LEASE, LEASE) is not None
        step = BulkStep(first, [job_id])
        assert await world.store.advance_operation(step, NOON, LEASE) is None
        assert await state(world, job_id) == "queued"

    async def test_who_cannot_be_changed_is_skipped_and_told(self, world):
        [parent] = await world.submit(submission())
        child = await child_of(world, parent)
        await change(world, parent, BROKEN)
        await world.cascade()
        wanted = JobFilter(job_ids=[child, parent])
        await begin(world, "rerun", replace(wanted, job_ids=[child]))
        one = await run(world)
        assert counts(one) == ("done", 1, 0, 1, 0)
        assert one.errors == [
            (child, f"it depends on job {parent}, which did not complete: that one is to run again "
                    "first")
        ]  # fmt: skip
        await begin(world, "rerun", wanted)
        assert counts(await run(world)) == ("done", 2, 2, 0, 0)
        assert (await world.job(child)).rerun_as is not None

    async def test_failed_jobs_are_retried(self, world):
        jobs = [await world.start(SINGLE) for _ in range(12)]
        await world.record(*[failed(one) for one in await world.claim(12)])
        await begin(world, "retry", JobFilter(failed=True))
        assert counts(await run(world)) == ("done", 12, 12, 0, 0)
        again = [(await world.job(one)).rerun_as for one in jobs]
        assert await states(world, *again) == ["queued"] * 12
        await begin(world, "retry", JobFilter(failed=True))
        assert counts(await run(world)) == ("done", 0, 0, 0, 0)

    async def test_an_aborted_one_stops(self, world):
        jobs = await world.submit(*[submission() for _ in range(60)])
        begun = await begin(world, "break")
        await run(world, steps=2)
        assert counts(await world.store.abort_operation(begun.id, NOON))[0] == "aborted"
        assert await run(world, now=at(60)) is None
        assert (await states(world, *jobs)).count("broken") == 50
        with pytest.raises(BadInput, match="nothing to abort"):
            await world.store.abort_operation(begun.id, NOON)
        with pytest.raises(BadInput, match="a break cannot be undone"):
            await world.store.undo_operation(begun.id, NOON)

    async def test_a_pause_is_undone_but_for_what_was_changed_since(self, world):
        started = await world.start()
        queued, resumed = await world.submit(submission(), submission())
        begun = await begin(world, "pause")
        await run(world)
        await change(world, resumed, QUEUED)
        await world.store.undo_operation(begun.id, at(60))
        one = await run(world, now=at(60))
        assert counts(one) == ("undone", 3, 3, 0, 2)
        assert await states(world, started, queued, resumed) == ["queued"] * 3
        with pytest.raises(BadInput, match="nothing that is left to undo"):
            await world.store.undo_operation(begun.id, at(60))

    async def test_priorities_are_those_before_again(self, world):
        jobs = await world.submit(*[submission(priority=1 + n % 9) for n in range(60)])
        begun = await begin(world, "priority", values={"priority": 10})
        await run(world)
        await world.store.undo_operation(begun.id, NOON)
        assert counts(await run(world)) == ("undone", 60, 60, 0, 60)
        found = [(await world.job(one)).job.priority for one in jobs]
        assert found == [1 + n % 9 for n in range(60)]

    async def test_after_a_minute_nothing_is_undone(self, world):
        await world.submit(submission())
        begun = await begin(world, "pause")
        await run(world)
        with pytest.raises(BadInput, match="more than 60 s ago"):
            await world.store.undo_operation(begun.id, at(60.1))
        await world.store.forget_operations(at(61))
        assert await world.store.changed_jobs(begun, 10) == []
        assert await world.store.operation(begun.id) is not None
        await world.store.forget_operations(NOON + timedelta(days=7, seconds=1))
        assert await world.store.operation(begun.id) is None

    async def test_operations_are_listed_and_found(self, world):
        one, two = await begin(world, "pause"), await begin(world, "resume")
        assert [found.id for found in await world.store.operations()] == [two.id, one.id]
        assert await world.store.operations("beta") == []
        assert await world.store.operation(one.id) == one
        assert one.state is BulkState.COUNTING
        for ask in (world.store.abort_operation, world.store.undo_operation):
            with pytest.raises(NotFound):
                await ask(404, NOON)
