"""Rule 9, A10, A11, A13, and the bounds that docs/api.md states under "Waiting"."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager

import pytest
import trio

from taskengine.messages import Topic
from taskengine.model import JobState
from taskengine.policy import SYSTEM, Band, settings_of
from taskengine.store.memory import MemoryStore
from taskengine.testing.contract.world import World, at, done, submission
from taskengine.testing.virtual import instance, workflow
from tests.conftest import NOON

LENGTH = 10  # seconds that a job takes
FLOW = workflow(("only", "core.sleep", {"with": {"seconds": LENGTH}}))


class Slots:
    """An engine whose jobs all take as long."""

    def __init__(self, engine):
        self.engine, self.store = engine, engine.store

    async def submit(self, number=1, **fields):
        return [await self.engine.submit(FLOW, **fields) for _ in range(number)]

    async def set_(self, scope, **values):
        for name, value in values.items():
            await self.store.put_setting(scope, name, str(value))
        self.engine.engine.mailboxes.announce(Topic.ADMISSION)
        await trio.sleep(0.01)

    async def started(self):
        """Priority and id of the jobs that run."""
        rows = self.store.tables.jobs.values()
        return sorted((r.job.priority, r.job.id) for r in rows if r.job.state is JobState.STARTED)

    async def starts(self, ids):
        """When jobs started, in whole seconds."""
        tasks = [(await self.store.job(one)).tasks for one in ids]
        return [round((own[0].started_at - NOON).total_seconds()) for own in tasks if own]


@asynccontextmanager
async def running(store):
    """An engine with two slots and workers enough."""
    await store.put_setting(SYSTEM, "max_jobs", "2")
    async with instance(store, work=50) as engine:
        yield Slots(engine)


# Settings that change while jobs run


@pytest.mark.parametrize("scope", [SYSTEM, "acme"])
async def test_max_jobs_raised_starts_more_at_once(memory_store, autojump_clock, scope):
    async with running(memory_store) as slots:
        await slots.set_(SYSTEM, max_jobs=5 if scope else 2)
        await slots.set_(scope, max_jobs=2)
        await slots.submit(6)
        await trio.sleep(1)
        assert len(await slots.started()) == 2
        await slots.set_(scope, max_jobs=5)
        assert len(await slots.started()) == 5


@pytest.mark.parametrize("scope", [SYSTEM, "acme"])
async def test_max_jobs_lowered_starts_nothing_until_it_fits(memory_store, autojump_clock, scope):
    async with running(memory_store) as slots:
        await slots.set_(SYSTEM, max_jobs=4)
        ids = await slots.submit(4)
        await trio.sleep(1)
        ids += await slots.submit(4)
        await slots.set_(scope, max_jobs=2)
        assert len(await slots.started()) == 4
        await trio.sleep(LENGTH)
        assert len(await slots.started()) == 2
        await trio.sleep(30)
        assert await slots.starts(ids) == [0, 0, 0, 0, 10, 10, 20, 20]


@pytest.mark.parametrize("scope", [SYSTEM, "acme"])
async def test_priority_slots_raised_keep_low_jobs_out(memory_store, autojump_clock, scope):
    async with running(memory_store) as slots:
        await slots.set_(SYSTEM, max_jobs=4)
        await slots.set_(scope, max_jobs=4, priority_threshold=5)
        low = await slots.submit(8, priority=9)
        await trio.sleep(1)
        assert len(await slots.started()) == 4
        await slots.set_(scope, priority_slots=3)
        high = await slots.submit(2, priority=1)
        await trio.sleep(1)
        assert len(await slots.started()) == 4  # a full house: nothing is stopped
        await trio.sleep(LENGTH)
        assert [priority for priority, _ in await slots.started()] == [1, 1, 9]
        await slots.set_(scope, priority_slots=0)
        assert [priority for priority, _ in await slots.started()] == [1, 1, 9, 9]
        assert await slots.starts(high) == [10, 10]
        assert len(await slots.starts(low)) == 6


async def test_the_threshold_may_change_too(memory_store, autojump_clock):
    async with running(memory_store) as slots:
        await slots.set_(SYSTEM, max_jobs=3, priority_slots=1, priority_threshold=2)
        await slots.submit(4, priority=4)
        await trio.sleep(1)
        assert len(await slots.started()) == 2
        await slots.set_(SYSTEM, priority_threshold=4)
        assert len(await slots.started()) == 3


async def test_no_slot_at_all_starts_nothing(memory_store, autojump_clock):
    async with running(memory_store) as slots:
        await slots.set_(SYSTEM, max_jobs=0)
        await slots.submit(2, priority=1)
        await trio.sleep(60)
        assert await slots.started() == []
        await slots.set_(SYSTEM, max_jobs=1)
        assert len(await slots.started()) == 1


async def test_the_example_of_the_features(memory_store, autojump_clock):
    """5 and 2 leave three slots for anybody and two for priority jobs alone."""
    async with running(memory_store) as slots:
        await slots.set_(SYSTEM, max_jobs=5, priority_slots=2)
        await slots.submit(6, priority=9)
        await trio.sleep(1)
        assert [priority for priority, _ in await slots.started()] == [9] * 3
        await slots.submit(6, priority=5)
        await trio.sleep(1)
        assert [priority for priority, _ in await slots.started()] == [5] * 2 + [9] * 3


@pytest.mark.parametrize("seed", range(10))
async def test_every_admission_keeps_the_rule(seed):
    """Whatever is set, submitted, updated and ended in between."""
    rng, store = random.Random(seed), MemoryStore()
    world = await World(store).settle()
    for step in range(200):
        scope = rng.choice([SYSTEM, "acme", "beta"])
        match rng.randrange(6):
            case 0:
                name, most = rng.choice([("max_jobs", 6), ("priority_slots", 4)])
                await store.put_setting(scope, name, str(rng.randrange(most)))
            case 1:
                await store.put_setting(scope, "priority_threshold", str(rng.randint(1, 10)))
            case 2 | 3:
                fields = {"client": scope or "acme", "priority": rng.randint(1, 10)}
                await world.submit(submission(**fields), now=at(step))
            case 4:
                if attempts := await world.claim(1, at(step)):
                    await world.record(done(attempts[0], at(step)))
            case 5:
                queued = [r.job.id for r in store.tables.jobs.values() if r.job.state < 2]
                if queued:
                    change = {"priority": rng.randint(1, 10)}
                    await store.change(rng.choice(queued), change, [], at(step))
        before = {row.job.id for row in _running(store)}
        if await world.admit(at(step)):
            started = [row for row in _running(store) if row.job.id not in before]
            _check(store, {row.job.client for row in started})


def _running(store):
    return [row for row in store.tables.jobs.values() if row.band is not None]


def _check(store, clients):
    """The rule at the level of the system, and of the clients of which a job was admitted."""
    held = [(row.job.client, row.band) for row in _running(store)]
    for scope in (SYSTEM, *clients):
        bands = [band for client, band in held if scope in (SYSTEM, client)]
        limits = settings_of(store.tables.settings.get(scope, {}), client=scope != SYSTEM)
        assert limits.fits(bands.count(Band.LOW), bands.count(Band.HIGH))


# Bounds on waiting


@pytest.mark.parametrize("better", [0, 1, 3, 4, 11])
async def test_a_job_starts_after_the_better_ones(memory_store, autojump_clock, better):
    """With s slots and jobs of at most D seconds: within (B div s + 1) * D."""
    async with running(memory_store) as slots:
        await slots.set_(SYSTEM, max_jobs=3)
        await slots.submit(3, priority=1)
        await trio.sleep(1)
        [job] = await slots.submit(priority=8)
        await slots.submit(better, priority=2)
        await trio.sleep((better // 3 + 1) * LENGTH)
        assert await slots.starts([job]) == [(better // 3 + 1) * LENGTH]


async def test_among_equals_the_first_goes_first_whoever_sent_them(memory_store, autojump_clock):
    async with running(memory_store) as slots:
        for client in ("acme", "beta"):
            await slots.set_(client, retry_limit=1)
        ids = await slots.submit(8)
        await trio.sleep(100)
        assert await slots.starts(ids) == [0, 0, 10, 10, 20, 20, 30, 30]


async def test_a_low_job_waits_as_long_as_better_ones_come(memory_store, autojump_clock):
    """Strict order is what priorities mean; nothing ages."""
    async with running(memory_store) as slots:
        await slots.submit(4, priority=9)
        [job] = await slots.submit(priority=10)
        for _ in range(30):
            await slots.submit(2, priority=9)
            await trio.sleep(LENGTH)
        assert await slots.starts([job]) == []
        await trio.sleep(5 * LENGTH)
        assert len(await slots.starts([job])) == 1


async def test_a_priority_job_never_waits_in_a_reserved_slot(memory_store, autojump_clock):
    async with running(memory_store) as slots:
        await slots.set_(SYSTEM, max_jobs=3, priority_slots=1)
        await slots.submit(50, priority=9)
        for second in range(1, 60, LENGTH + 1):
            await trio.sleep_until(second)
            [job] = await slots.submit(priority=5)
            await trio.sleep(0.5)
            assert await slots.starts([job]) == [second]


async def test_priority_jobs_fill_the_reserved_slots_first(memory_store, autojump_clock):
    """So that low ones are not kept from the slots that are open to all."""
    async with running(memory_store) as slots:
        await slots.set_(SYSTEM, max_jobs=4, priority_slots=2)
        await slots.submit(2, priority=1)
        await slots.submit(3, priority=9)
        await trio.sleep(1)
        assert [priority for priority, _ in await slots.started()] == [1, 1, 9, 9]


async def test_a_client_with_a_limit_leaves_the_other_slots_to_the_others(memory_store):
    """Whatever it sends, and whatever the priorities."""
    world = await World(memory_store).settle()
    await world.setting(SYSTEM, max_jobs=3)
    await world.setting("acme", max_jobs=2)
    await world.submit(*[submission(priority=1, top_of_queue=True) for _ in range(500)])
    await world.admit()
    [job] = await world.submit(submission(client="beta", priority=10))
    assert await world.admit() == 1
    assert (await world.job(job)).job.state is JobState.STARTED


async def test_without_one_a_client_can_fill_all_slots(memory_store):
    """The order is one for all: a client's own `max_jobs` is what shares the engine out."""
    world = await World(memory_store).settle()
    await world.setting(SYSTEM, max_jobs=2)
    await world.submit(*[submission() for _ in range(5)])
    await world.admit()
    [job] = await world.submit(submission(client="beta"))
    for _ in range(2):
        await world.record(*[done(one) for one in await world.claim(2)])
        assert (await world.job(job)).job.state is JobState.QUEUED
        await world.admit()
    assert (await world.job(job)).job.state is JobState.STARTED
