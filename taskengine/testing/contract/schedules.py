"""Promises of recurring work: each tick for one caller, none lost, switched on and off."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
import trio

from taskengine import schedules
from taskengine.model import BadInput, NotFound
from taskengine.policy import SYSTEM
from taskengine.schedules import (
    BUILT_IN,
    QUEUE_SCHEDULED_JOBS,
    SUBMIT_JOB,
    Schedule,
    Tick,
    with_interval,
)
from taskengine.testing.contract.world import at, submission
from taskengine.testing.times import NOON

LEASE = timedelta(seconds=30)
BODY = {"job": {"workflow": "demo"}, "parameters": {"content_id": "c"}}


def schedule(name="nightly", every=100, **fields):
    given = {"description": "", "first_in": every or 0, "next_at": at(every or 0)}
    given |= {"client": "acme", "body": BODY, "created_at": NOON}
    return Schedule(name, SUBMIT_JOB, every=every, **{**given, **fields})


class Schedules:
    async def ticks(self, store, seconds):
        """Names and times, in seconds, of the ticks that are due; the engine's own aside."""
        ticks, _ = await store.claim_ticks(at(seconds), LEASE)
        own = [one for one in ticks if one.schedule.client is not None]
        return [(one.schedule.name, (one.at - NOON).total_seconds()) for one in own]

    async def end(self, store, name, seconds):
        [known] = [one for one in await store.schedules() if one.name == name]
        await store.end_tick(Tick(known, at(seconds)))

    async def test_the_engines_own_schedules_are_there(self, world):
        assert await world.store.schedules() == sorted(
            (with_interval(one, 60) for one in BUILT_IN), key=lambda one: one.name
        )
        await world.setting(SYSTEM, schedule_interval=7)
        known = {one.name: one for one in await world.store.schedules()}
        assert known[QUEUE_SCHEDULED_JOBS].every == 7

    async def test_schedules_run_first_some_time_after_somebody_looked(self, world):
        assert await world.store.claim_ticks(NOON, LEASE) == ([], at(5))
        ticks, next_at = await world.store.claim_ticks(at(5), LEASE)
        assert [(one.schedule.name, one.at) for one in ticks] == [
            (QUEUE_SCHEDULED_JOBS, at(5)),
            ("rescue_lost_tasks", at(5)),
        ]
        assert next_at == at(35)
        for tick in ticks:
            await world.store.end_tick(tick)
        ticks, next_at = await world.store.claim_ticks(at(60), LEASE)
        assert [one.schedule.name for one in ticks] == ["clear_old_jobs"]
        await world.store.end_tick(ticks[0])
        assert (await world.store.claim_ticks(at(64), LEASE)) == ([], at(65))

    async def test_a_schedule_is_kept_as_it_is_and_listed_without_its_job(self, world):
        daily = schedule("daily", None, cron="0 3 * * *", next_at=at(99), description="Films")
        await world.store.put_schedule(schedule(active=False))
        await world.store.put_schedule(daily)
        known = [one for one in await world.store.schedules() if one.client]
        assert known == [replace(daily, body=None), schedule(active=False, body=None)]
        await world.store.put_schedule(schedule(every=5))
        assert schedule(every=5, body=None) in await world.store.schedules()
        assert await world.store.schedule_body("daily", "acme") == BODY
        assert await world.store.schedule_body("daily", "beta") is None

    async def test_jobs_of_several_schedules_are_told_unless_they_are_large(self, world):
        await world.store.put_schedule(schedule())
        await world.store.put_schedule(schedule("large", body={"job": "x" * 200}))
        asked = [("acme", "large"), ("acme", "nightly"), ("beta", "nightly")]
        known = await world.store.schedule_bodies(asked, 200)
        assert known == {("acme", "nightly"): BODY, ("acme", "large"): None}
        assert await world.store.schedule_bodies([], 200) == {}

    async def test_a_name_is_the_clients_own(self, world):
        await world.store.put_schedule(schedule())
        await world.store.put_schedule(schedule(every=50, client="beta", body={"job": 2}))
        with pytest.raises(BadInput, match="queue_scheduled_jobs is the engine's own"):
            await world.store.put_schedule(schedule(QUEUE_SCHEDULED_JOBS))
        await world.store.activate("nightly", "beta", False, at(1))
        known = {one.client: one for one in await world.store.schedules() if one.client}
        assert [(name, one.every, one.active) for name, one in known.items()] == [
            ("acme", 100, True),
            ("beta", 50, False),
        ]
        assert await world.store.schedule_body("nightly", "beta") == {"job": 2}
        assert await self.ticks(world.store, 100) == [("nightly", 100)]
        assert not await world.store.remove_schedule(QUEUE_SCHEDULED_JOBS, "acme")
        assert await world.store.remove_schedule("nightly", "acme")
        assert not await world.store.remove_schedule("nightly", "acme")
        assert [one.client for one in await world.store.schedules() if one.client] == ["beta"]

    async def test_a_client_has_so_many_schedules_and_bytes(self, world, monkeypatch):
        monkeypatch.setattr(schedules, "MAX_OWN", 2)
        monkeypatch.setattr(schedules, "MAX_BYTES", 1 << 20)
        large = {"job": "ü" * 260_000}
        await world.store.put_schedule(schedule("one", body=large))
        with pytest.raises(BadInput, match="at most 1 MiB together"):
            await world.store.put_schedule(schedule("two", body={"job": "ü" * 265_000}))
        await world.store.put_schedule(schedule("two", client="beta", body=large))
        await world.store.put_schedule(schedule("one", body=large))
        await world.store.put_schedule(schedule("two"))
        with pytest.raises(BadInput, match="at most 2 schedules"):
            await world.store.put_schedule(schedule("three"))
        await world.store.put_schedule(schedule("two", body=large))

    async def test_the_schedules_of_a_client_go_with_it(self, world):
        await world.store.put_schedule(schedule())
        await world.store.put_schedule(schedule("weekly", client="beta"))
        assert await world.store.remove_client("acme")
        known = await world.store.schedules()
        assert [one.name for one in known if one.client] == ["weekly"]
        assert len(known) == 4

    async def test_a_tick_is_for_one_caller_alone(self, world, twin):
        for number in range(20):
            await world.store.put_schedule(schedule(f"s{number:02}"))
        claimed = []

        async def claim(store):
            claimed.extend(await self.ticks(store, 100))

        async with trio.open_nursery() as nursery:
            for store in (world.store, twin) * 3:
                nursery.start_soon(partial(claim, store))
        claimed += await self.ticks(twin, 100)
        assert sorted(claimed) == [(f"s{number:02}", 100) for number in range(20)]

    async def test_a_tick_that_was_not_ended_is_handed_out_again(self, world):
        await world.store.put_schedule(schedule())
        assert await self.ticks(world.store, 101) == [("nightly", 100)]
        assert await self.ticks(world.store, 130) == []
        assert await self.ticks(world.store, 131) == [("nightly", 100)]
        await self.end(world.store, "nightly", 100)
        assert await self.ticks(world.store, 199) == []
        assert await self.ticks(world.store, 200) == [("nightly", 200)]
        await self.end(world.store, "nightly", 100)  # an answer that comes too late
        assert await self.ticks(world.store, 230) == [("nightly", 200)]

    async def test_the_next_look_is_at_the_next_tick_or_at_the_end_of_a_lease(self, world):
        await world.store.put_schedule(schedule(every=10))
        for name in ("rescue_lost_tasks", "clear_old_jobs", QUEUE_SCHEDULED_JOBS):
            await world.store.activate(name, None, False, NOON)
        ticks, next_at = await world.store.claim_ticks(at(10), LEASE)
        assert (len(ticks), next_at) == (1, at(20))
        assert await world.store.claim_ticks(at(20), LEASE) == ([], at(40))
        await world.store.end_tick(ticks[0])
        ticks, next_at = await world.store.claim_ticks(at(20), LEASE)
        assert ([one.at for one in ticks], next_at) == ([at(20)], at(30))

    async def test_ticks_that_were_missed_run_once(self, world):
        await world.store.put_schedule(schedule())
        await world.store.put_schedule(schedule("daily", None, cron="0 * * * *", next_at=at(3600)))
        assert await self.ticks(world.store, 10_050) == [("nightly", 100), ("daily", 3600)]
        await self.end(world.store, "nightly", 100)
        await self.end(world.store, "daily", 3600)
        assert await self.ticks(world.store, 10_099) == []
        assert await self.ticks(world.store, 10_100) == [("nightly", 10_100)]
        await self.end(world.store, "nightly", 10_100)
        assert ("daily", 10_800) in await self.ticks(world.store, 10_800)

    async def test_a_schedule_that_is_off_has_no_ticks(self, world):
        await world.store.put_schedule(schedule())
        await world.store.activate("nightly", "acme", False, at(1))
        assert await self.ticks(world.store, 100) == []
        await world.store.activate("nightly", "acme", True, at(500))
        await world.store.activate("nightly", "acme", True, at(550))
        assert await self.ticks(world.store, 599) == []
        assert await self.ticks(world.store, 600) == [("nightly", 600)]
        await world.store.activate("nightly", "acme", False, at(601))  # while it runs
        assert await self.ticks(world.store, 900) == []
        with pytest.raises(NotFound):
            await world.store.activate("unknown", "acme", True, at(1))

    async def test_without_the_schedule_no_job_is_due_and_no_gate_is_asked(self, world):
        """A5: the exact wake-up stops too."""
        gate = {"semaphore_url": "http://gate.test"}
        [due, gated] = await world.submit(submission(run_at=at(10)), submission(**gate))
        await world.store.activate(QUEUE_SCHEDULED_JOBS, None, False, NOON)
        assert await world.store.queue_due(at(20)) == (0, None)
        assert await world.store.claim_gates(9, (), at(20), LEASE) == ([], None)
        await world.store.activate(QUEUE_SCHEDULED_JOBS, None, True, NOON)
        gates, _ = await world.store.claim_gates(9, (), at(20), LEASE)
        assert [one.job_id for one in gates] == [gated]
        assert await world.store.queue_due(at(20)) == (1, None)
        assert (await world.states(due))[0] == "queued"
