"""What two calls cannot show: courses of events that take a third."""

from __future__ import annotations

import trio

from taskengine.testing.contract.dependencies import child_of, state
from taskengine.testing.contract.world import World, done, submission
from tests.conftest import NOON
from tests.contract.conftest import EMPTY
from tests.interleaving.snapshots import run
from tests.interleaving.stepping import Answer


async def test_a_parent_is_run_again_and_ends_while_its_child_is_run_again(stepper):
    """The child's rerun waits for the parent's, and then copies an edge to the new parent, which
    must not end unseen."""
    await run(stepper.observer, EMPTY)
    world = await World(stepper.observer).settle()
    [parent] = await world.submit(submission())
    child = await child_of(world, parent)
    pool, other = stepper.first.pool, stepper.second.pool
    first, second, third = Answer(), Answer(), Answer()

    async def run_again(store, job_id):
        return await store.rerun(job_id, [], NOON)

    async def finish_all(store):
        worker = World(store, world.instance)
        await worker.admit()
        for attempt in await worker.claim():
            await worker.record(done(attempt, NOON))

    async with trio.open_nursery() as nursery:
        one = pool.stop_at("commit")
        nursery.start_soon(
            first.of, lambda store: run_again(store, parent), stepper.first, one.rests
        )
        await one.rests.wait()
        two = other.stop_at("copy_edges")
        nursery.start_soon(
            second.of, lambda store: run_again(store, child), stepper.second, two.rests
        )
        await stepper.over_or_blocked(second, other)
        one.leave.set()
        await two.rests.wait()
        await first.ended.wait()
        pool.stop_at(-1)
        nursery.start_soon(third.of, finish_all, stepper.first, third.ended)
        await stepper.over_or_blocked(third, pool)
        two.leave.set()
    await world.cascade()  # it hands the edges on, to whatever became of the new parent
    await finish_all(stepper.observer)
    await world.cascade()
    await finish_all(stepper.observer)
    assert [one.error for one in (first, second, third)] == [None] * 3
    assert await state(world, first.value) == "completed"
    assert await state(world, second.value) == "completed"
