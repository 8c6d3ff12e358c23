"""Promises of instances: beats, rescue and leaving."""

import uuid

import pytest
import trio

from taskengine.messages import Topic
from taskengine.model import Began, Written
from taskengine.policy import MAX_RESCUES
from taskengine.store import Dismissed
from taskengine.testing.contract.updates import BROKEN, PAUSED, change
from taskengine.testing.contract.world import (
    ONE,
    PAIR,
    World,
    at,
    done,
    failed,
    lost,
    released,
    submission,
)
from taskengine.testing.times import NOON

PROCESS = uuid.UUID(int=1)


class Rescues:
    async def test_a_beat_grows_and_tells_what_is_held(self, world):
        await world.start(PAIR)
        one, two = await world.claim()
        other = await world.store.join("second", NOON)
        await world.record(done(two))
        assert (await world.store.beat(world.instance)).held == {one.fence}
        await world.store.beat(world.instance)
        assert await world.store.beats() == {world.instance: 2, other: 0}
        assert (await world.store.beat(other)).held == frozenset()

    async def test_instances_know_each_others_leases(self, world):
        slow = await world.store.join("slow", NOON, 60.0)
        assert (await world.store.leases())[slow] == 60.0
        await world.store.leave(slow, NOON)
        assert slow not in await world.store.leases()

    async def test_only_who_did_not_move_is_rescued(self, world):
        await world.start()
        [attempt] = await world.claim()
        beat = (await world.store.beats())[world.instance]
        await world.store.beat(world.instance)
        assert await world.store.rescue(world.instance, beat, NOON) is None
        assert await world.store.rescue(404, 0, NOON) is None
        assert await world.store.current(world.instance, attempt.fence)

    async def test_the_tasks_of_the_dead_are_queued_again_and_its_writes_refused(self, world):
        job_id = await world.start()
        [old] = await world.claim()
        dead = await self._die(world)
        [task] = (await world.job(job_id)).tasks
        assert (task.state.label, task.rescues, task.failures) == ("queued", 1, 0)
        [new] = await world.claim(now=at(1))
        assert new.task.attempt == old.task.attempt + 1
        for record in (Written(old.fence, NOON, "late"), done(old), failed(old)):
            recorded = await world.record(record, instance=dead)
            assert recorded.stale == {old.fence}
        fate = "attempt 1 is lost: instance 1 (first) did not answer; the task is queued again"
        assert await world.lines(job_id) == [("controller", old.task.id, fate)]

    async def test_the_dead_are_dismissed(self, world):
        dead = await self._die(world)
        assert set(await world.store.beats()) == {world.instance}
        with pytest.raises(Dismissed):
            await world.store.beat(dead)
        await world.start()
        with pytest.raises(Dismissed):
            await world.claim(instance=dead)
        with pytest.raises(Dismissed):
            await world.store.claim_lanes(dead, 1, (), NOON)

    async def test_a_task_that_kills_its_hosts_fails(self, world):
        job_id = await world.start(urls=[ONE])
        for _ in range(MAX_RESCUES + 1):
            await world.claim(now=at(1))
            await self._die(world)
        assert await world.states(job_id) == ["completed", "failed"]
        [task] = (await world.job(job_id)).tasks
        assert task.error == f"given up after {MAX_RESCUES + 1} hosts died while running it"
        *lost, last = await world.lines(job_id)
        assert last == ("controller", task.id, f"job has failed: 'a' failed: {task.error}")
        hosts = ["first", *["next"] * MAX_RESCUES]
        follows = [*["the task is queued again"] * MAX_RESCUES, "the task is given up"]
        assert [line for *_, line in lost] == [
            f"attempt {number} is lost: instance {number} ({host}) did not answer; {then}"
            for number, host, then in zip(range(1, MAX_RESCUES + 2), hosts, follows, strict=True)
        ]
        assert await world.events() == {ONE: ["fail", "end"]}

    async def test_a_death_that_is_known_needs_no_beat_to_stand_still(self, world):
        job_id = await world.start()
        doomed = await world.store.join("doomed", NOON, 15.0, PROCESS)
        [attempt] = await world.claim(instance=doomed)
        beat = (await world.store.beats())[doomed]
        assert await world.store.rescue(doomed, None, at(1)) is None
        await world.store.declare_dead(PROCESS)
        assert await world.store.beats() == {world.instance: 0, doomed: None}
        assert await world.store.rescue(doomed, beat, at(1)) is None
        assert await world.store.rescue(doomed, None, at(1))
        assert await world.store.rescue(doomed, None, at(1)) is None
        [task] = (await world.job(job_id)).tasks
        assert (task.state.label, task.rescues, task.failures) == ("queued", 1, 0)
        fate = f"attempt 1 is lost: instance {doomed} (doomed) died; the task is queued again"
        assert await world.lines(job_id) == [("controller", attempt.task.id, fate)]

    async def test_a_death_concerns_all_instances_of_the_process_and_no_others(self, world):
        """It may have joined twice: an answer was lost, or it was dismissed and joined anew."""
        twice = [await world.store.join("doomed", NOON, 15.0, PROCESS) for _ in range(2)]
        other = await world.store.join("doomed", NOON, 15.0, uuid.UUID(int=2))
        for _ in range(2):
            await world.store.declare_dead(PROCESS)
        expected = {world.instance: 0, other: 0, **dict.fromkeys(twice)}
        assert await world.store.beats() == expected

    async def test_who_is_known_to_be_dead_never_beats_again(self, world):
        doomed = await world.store.join("doomed", NOON, 15.0, PROCESS)
        await world.store.declare_dead(PROCESS)
        with pytest.raises(Dismissed):
            await world.store.beat(doomed)
        await world.store.declare_dead(uuid.UUID(int=404))
        await world.store.beat(world.instance)

    async def test_a_death_is_announced(self, world):
        heard = set()

        async def listen() -> None:
            async for topic in world.store.listen():
                heard.add(topic)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            with trio.fail_after(20):
                while not heard:  # what is told before it listens is lost
                    process = uuid.uuid4()
                    await world.store.join("doomed", NOON, 15.0, process)
                    await world.store.declare_dead(process)
                    await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
        assert heard == {Topic.DEATH}

    async def test_a_paused_job_hears_that_its_task_waits(self, world):
        job_id = await world.start(PAIR)
        await world.claim()
        await change(world, job_id, PAUSED)
        await self._leave(world)
        fate = "was handed back: the engine stopped; the task goes on when its job does"
        assert [line for *_, line in await world.lines(job_id)][-2:] == [f"attempt 1 {fate}"] * 2

    async def test_the_log_of_a_job_that_is_over_says_nothing_of_its_hosts(self, world):
        for die in (self._die, self._leave):
            job_id = await world.start(PAIR)
            await world.claim()
            await change(world, job_id, BROKEN)
            before = await world.lines(job_id)
            await die(world)
            assert await world.lines(job_id) == before

    async def test_the_last_task_of_a_failed_job_ends_it_when_its_host_dies(self, world):
        for die in (self._die, self._leave):
            job_id = await world.start(PAIR)
            one, _ = await world.claim()
            await world.record(failed(one))
            await die(world)
            assert await world.states(job_id) == ["completed", "failed", "cancelled"]

    async def test_who_leaves_hands_back_what_it_holds(self, world):
        job_id = await world.start()
        await world.claim()
        await self._leave(world)
        [task] = (await world.job(job_id)).tasks
        assert (task.state.label, task.rescues, task.failures) == ("queued", 0, 0)
        fate = "attempt 1 was handed back: the engine stopped; the task is queued again"
        assert await world.lines(job_id) == [("worker", task.id, fate)]
        assert len(await world.claim(now=at(1))) == 1
        assert set(await world.store.beats()) == {world.instance}

    async def test_what_a_fallen_instance_holds_counts_as_rescued(self, world):
        job_id = await world.start(PAIR)
        one, _ = await world.claim()
        await world.record(failed(one))
        other = await world.start()
        await world.claim()
        await world.store.leave(world.instance, at(1), fallen=True)
        world.instance = await world.store.join("next", NOON)
        assert await world.states(job_id) == ["completed", "failed", "cancelled"]
        [task] = (await world.job(other)).tasks
        assert (task.state.label, task.rescues, task.failures) == ("queued", 1, 0)

    async def test_an_attempt_that_was_over_does_not_count(self, world):
        """Its end was not written yet: it did not kill its host. Another attempt may have."""
        job_id = await world.start(PAIR)
        one, two = await world.claim()
        await world.store.mark_over(world.instance, [one.fence, two.fence])
        await world.store.mark_over(world.instance, [one.fence])
        await self._die(world)
        tasks = (await world.job(job_id)).tasks
        assert [(task.state.label, task.rescues) for task in tasks] == [
            ("queued", 0),
            ("queued", 1),
        ]
        await world.claim(now=at(1))
        await world.store.mark_over(world.instance, [one.fence])  # of an attempt before
        await self._die(world)
        assert [task.rescues for task in (await world.job(job_id)).tasks] == [1, 2]

    async def test_what_was_claimed_ahead_counts_as_rescued_only_if_it_began(self, world):
        ids = await world.submit(*(submission() for _ in range(3)))
        await world.admit()
        await world.claim(1)
        [early, _] = await world.claim(0, ahead=2)
        await world.record(Began(early.fence, NOON))
        await self._die(world)
        tasks = [(await world.job(one)).tasks[0] for one in ids]
        assert [(task.state.label, task.rescues) for task in tasks] == [
            ("queued", 1),
            ("queued", 1),
            ("queued", 0),
        ]

    async def test_a_lost_attempt_counts_as_a_rescue(self, world):
        """Its worker has ended, its instance lives: neither a failure nor a hand-back."""
        job_id = await world.start()
        for number in range(1, MAX_RESCUES + 1):
            [attempt] = await world.claim()
            await world.record(lost(attempt, "out of order"))
            [task] = (await world.job(job_id)).tasks
            counted = (task.state.label, task.rescues, task.failures, task.error)
            assert counted == ("queued", number, 0, "out of order")
            [attempt] = await world.claim()
            await world.record(released(attempt))
        [attempt] = await world.claim()
        recorded = await world.record(lost(attempt, "out of order"))
        assert recorded.ended_jobs == (job_id,)
        [task] = (await world.job(job_id)).tasks
        told = f"given up after it was lost {MAX_RESCUES + 1} times: out of order"
        assert (task.state.label, task.error) == ("failed", told)

    async def test_a_lost_attempt_of_a_job_that_is_over_is_cancelled(self, world):
        job_id = await world.start(PAIR)
        one, two = await world.claim()
        await world.record(failed(one), lost(two))
        assert await world.states(job_id) == ["completed", "failed", "cancelled"]

    async def test_that_an_attempt_was_lost_may_be_told_twice(self, world):
        await world.start()
        [attempt] = await world.claim()
        for _ in range(2):
            assert (await world.record(lost(attempt))).stale == frozenset()
        [task] = (await world.job(attempt.job.id)).tasks
        assert task.rescues == 1

    async def test_who_leaves_twice_has_left(self, world):
        await world.store.leave(world.instance, NOON)
        await world.store.leave(world.instance, NOON)
        assert await world.store.beats() == {}

    async def test_lanes_of_who_is_gone_are_free(self, world):
        await world.start(urls=[ONE])
        [attempt] = await world.claim()
        await world.record(done(attempt))
        for gone in (self._die, self._leave):
            [lane] = await world.lanes(at(2))
            assert await world.lanes(at(2)) == []
            await gone(world)
        [again] = await world.lanes(at(2))
        assert again.callbacks == lane.callbacks

    async def test_what_was_counted_stays_counted(self, world):
        await world.start()
        await world.record(done((await world.claim())[0]))
        await world.start(PAIR)
        await world.record(released((await world.claim())[0]))
        before = await world.store.totals()
        await self._leave(world)
        await self._die(world)
        after = await world.store.totals()
        assert (after.jobs, after.tasks_processed) == (before.jobs, before.tasks_processed)

    async def _die(self, world: World) -> int:
        dead = world.instance
        world.instance = await world.store.join("next", NOON)
        assert await world.store.rescue(dead, (await world.store.beats())[dead], at(1))
        return dead

    async def _leave(self, world) -> None:
        gone = world.instance
        world.instance = await world.store.join("next", NOON)
        await world.store.leave(gone, at(1))
