"""Promises of cascades: what the end of a job means to many others is told in steps."""

from functools import partial

import pytest
import trio

from taskengine.model import JobState
from taskengine.store import Settled
from taskengine.testing.contract.dependencies import child_of, rerun, state
from taskengine.testing.contract.world import ONE, at, done, failed, submission
from taskengine.testing.times import NOON


async def children_of(world, parent, number, **fields):
    return await world.submit(*(submission(depends_on=[parent], **fields) for _ in range(number)))


async def states(world, jobs):
    return [await state(world, one) for one in jobs]


class Cascades:
    async def stop(self, world, job_id):
        await world.store.change(job_id, {"queue_state": JobState.BROKEN}, [], at(1))

    async def test_nobody_is_told_in_the_transaction_that_ends_a_job(self, world):
        parent = await world.start()
        children = await children_of(world, parent, 3)
        [attempt] = await world.claim()
        recorded = await world.store.record(world.instance, [done(attempt)], at(1))
        assert recorded.waited
        assert await states(world, children) == ["pending"] * 3
        assert await world.admit() == 0
        assert await world.store.cascade(at(2), 2) == Settled(2, more=True)
        assert await states(world, children) == ["queued", "queued", "pending"]
        assert await world.store.cascade(at(3), 2) == Settled(1, more=False)
        assert await states(world, children) == ["queued"] * 3
        assert await world.store.cascade(at(4), 2) == Settled()

    async def test_an_end_that_nobody_waits_for_asks_for_no_step(self, world):
        await world.start()
        [attempt] = await world.claim()
        assert not (await world.store.record(world.instance, [done(attempt)], at(1))).waited
        assert await world.store.cascade(at(1)) == Settled()

    async def test_children_are_broken_a_few_at_a_time_and_then_theirs(self, world):
        parent = await world.start()
        children = await children_of(world, parent, 3, urls=[ONE])
        grandchildren = await children_of(world, children[1], 2)
        await self.stop(world, parent)
        assert (await world.job(parent)).job.state is JobState.BROKEN
        told = []
        for step in range(6):
            told.append(await world.store.cascade(at(step), 2))
            assert await world.admit() == 0
        assert [one.edges for one in told] == [2, 2, 1, 0, 0, 0]
        assert [one.more for one in told] == [True, True, False, False, False, False]
        assert await states(world, [*children, *grandchildren]) == ["broken"] * 5
        for child in [*children, *grandchildren]:
            assert len(await world.lines(child)) == 1
        assert await world.events() == {ONE: ["end"] * 3}

    async def test_a_small_cascade_is_not_held_up_by_a_large_one(self, world):
        large, small = await world.start(), await world.start()
        await children_of(world, large, 9)
        [last] = await children_of(world, small, 1)
        await self.stop(world, large)
        await world.store.cascade(at(1), 2)
        await self.stop(world, small)
        await world.store.cascade(at(2), 1)
        assert await state(world, last) == "broken"

    async def test_steps_of_several_tell_each_child_once(self, world, twin):
        parent = await world.start()
        children = await children_of(world, parent, 20, urls=[ONE])
        await self.stop(world, parent)

        async def tell(store):
            while (await store.cascade(at(2), 3)).more:
                pass

        async with trio.open_nursery() as nursery:
            for store in (world.store, twin) * 2:
                nursery.start_soon(partial(tell, store))
        await world.cascade(at(3))
        assert await states(world, children) == ["broken"] * 20
        assert await world.events() == {ONE: ["end"] * 20}

    @pytest.mark.parametrize(("end", "told"), [(done, "queued"), (failed, "broken")])
    async def test_a_rerun_of_what_has_ended_changes_nothing_for_those_not_told_yet(
        self, world, end, told
    ):
        parent = await world.start()
        children = await children_of(world, parent, 3)
        [attempt] = await world.claim()
        await world.store.record(world.instance, [end(attempt)], at(1))
        await world.store.cascade(at(1), 1)
        await rerun(world, parent)
        assert await states(world, children) == [told] * 3

    async def test_a_rerun_of_a_child_that_is_not_told_yet_is_told_in_its_place(self, world):
        parent = await world.start()
        child = await child_of(world, parent)
        last = await child_of(world, child)
        await self.stop(world, parent)
        new = await world.store.rerun(child, [], at(2))
        assert await states(world, [child, new]) == ["broken", "pending"]
        await world.cascade(at(3))
        assert await states(world, [child, new, last]) == ["broken"] * 3
        [(_, _, told)] = await world.lines(last)
        assert f"it depends on job {new}," in told
        assert not (await world.job(child)).job.failed

    async def test_a_child_that_is_paused_meanwhile_is_told_too(self, world):
        parent = await world.start()
        child = await child_of(world, parent)
        await self.stop(world, parent)
        await world.store.change(child, {"queue_state": JobState.PAUSED}, [], at(2))
        await world.cascade(at(3))
        assert await state(world, child) == "broken"

    async def test_who_is_submitted_meanwhile_is_told_at_once(self, world):
        parent = await world.start()
        await children_of(world, parent, 2)
        await self.stop(world, parent)
        assert await state(world, await child_of(world, parent)) == "broken"

    async def test_children_are_handed_on_a_few_at_a_time(self, world):
        parent = await world.start()
        children = await children_of(world, parent, 3)
        [attempt] = await world.claim()
        new = await world.store.rerun(parent, [], at(1))
        assert await world.store.cascade(at(1), 2) == Settled(2, more=True)
        depends = [(await world.job(one)).depends_on for one in children]
        assert depends == [[new], [new], [parent]]
        await self.stop(world, new)
        await world.record(done(attempt))
        assert await states(world, children) == ["broken"] * 3
        [(_, _, told)] = await world.lines(children[2])
        assert f"it depends on job {new}," in told

    async def test_children_go_on_to_the_rerun_of_a_rerun(self, world):
        parent = await world.start()
        child = await child_of(world, parent)
        [attempt] = await world.claim()
        newest = await world.store.rerun(await world.store.rerun(parent, [], NOON), [], NOON)
        await world.record(done(attempt))
        assert (await world.job(child)).depends_on == [newest]
        assert await state(world, child) == "pending"
        await world.admit()
        await world.perform(newest)
        assert await state(world, child) == "queued"
