"""The triggers see what must not be, made by hand or by an engine whose guards were taken out."""

import json
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio_asyncio
from trio_asyncio import aio_as_trio

from taskengine.model import Began, JobState, Progressed, Written
from taskengine.policy import SYSTEM
from taskengine.store.postgres import admit, open_postgres, record
from taskengine.testing.contract.world import CHAIN, World, at, done, failed, submission
from tests.chaos.audit import connection_to, query, watch
from tests.chaos.place import Limits
from tests.conftest import NOON

LIMITS = {"": Limits(3, 1, 5), "acme": Limits(2)}
VIOLATIONS = "select kind, task_id, what, process from audit.violations order by id"


@asynccontextmanager
async def world_of(url, process):
    """An instance in a process of its own, as the auditor sees it."""
    async with open_postgres(f"{url}?audit.process={process}", connections=3) as store:
        yield World(store.patient)


@pytest.fixture
async def worlds(database_url):
    async with (
        trio_asyncio.open_loop(),
        world_of(database_url, "a1") as first,
        world_of(database_url, "b1") as second,
    ):
        await watch(database_url, LIMITS)
        await first.settle()
        for scope, limits in LIMITS.items():
            await first.setting(scope or SYSTEM, **limits.settings)
        second.instance = await second.store.join("second", NOON)
        yield first, second


async def kinds(url):
    return [(row["kind"], row["process"]) for row in await query(url, VIOLATIONS)]


def said(attempt):
    """What chaos.work writes at its beginning."""
    number = attempt.task.attempt
    return (
        Began(attempt.fence, NOON),
        Written(attempt.fence, NOON, f"attempt {number} begins"),
        Progressed(attempt.fence, 0.5 + number / 1000),
    )


def finished(attempt):
    """With what chaos.work returns."""
    told = {"task": attempt.task.id, "attempt": attempt.task.attempt}
    return replace(done(attempt), result=json.dumps(told))


async def test_an_engine_at_work_is_not_accused(worlds, database_url):
    first, second = worlds
    jobs = await first.submit(*(submission(CHAIN, priority=n) for n in (1, 5, 9)))
    assert await first.admit() == 2
    mine, other = await first.claim()
    await first.record(*said(mine), finished(mine))
    await first.record(*said(other), failed(other))
    [moved] = await first.claim(1)
    await first.record(*said(moved))
    beats = await second.store.beats()
    await second.store.rescue(first.instance, beats[first.instance], at(1))
    await second.store.change(jobs[0], {"queue_state": JobState.PAUSED}, (), at(2))
    await second.store.change(jobs[0], {"queue_state": JobState.QUEUED}, (), at(3))
    assert await second.admit(at(4)) == 2
    for attempt in await second.claim(now=at(200)):
        await second.record(*said(attempt), finished(attempt))
    await second.admit(at(201))
    assert await kinds(database_url) == []


async def test_too_many_admitted_are_seen(worlds, database_url, monkeypatch):
    first, _ = worlds

    def all_of_them(candidates, *_):
        return [(one, 1) for one in candidates]

    monkeypatch.setattr(admit, "choose", all_of_them)
    monkeypatch.setattr(admit, "rooms", lambda *_: ((10, 10, 5), {}))
    await first.submit(*(submission() for _ in range(4)))
    assert await first.admit() == 4
    assert await kinds(database_url) == [("slots", "a1"), ("slots", "a1")]  # system and client


async def test_a_reserved_slot_that_a_low_job_got_is_seen(worlds, database_url, monkeypatch):
    first, _ = worlds
    monkeypatch.setattr(admit, "choose", lambda found, *_: [(one, 1) for one in found])
    monkeypatch.setattr(admit, "rooms", lambda *_: ((3, 3, 5), {}))
    await first.submit(*(submission(priority=9, client="beta") for _ in range(3)))
    assert await first.admit() == 3
    assert await kinds(database_url) == [("slots", "a1")]


START = "update jobs set state = 1, band = 1 where id = $1"


async def test_admissions_that_do_not_see_each_other_are_seen(worlds, database_url):
    """Each of them counts before the other has committed."""
    first, _ = worlds
    jobs = await first.submit(*(submission() for _ in range(3)))
    async with connection_to(database_url) as one, connection_to(database_url) as other:
        for connection, mine in ((one, jobs[:2]), (other, jobs[2:])):
            await aio_as_trio(connection.execute)("begin")
            for job_id in mine:
                await aio_as_trio(connection.execute)(START, job_id)
        await aio_as_trio(one.execute)("commit")
        assert await kinds(database_url) == []
        await aio_as_trio(other.execute)("commit")
    assert await kinds(database_url) == [("slots", None)]


async def test_a_job_that_is_admitted_again_is_seen(worlds, database_url):
    first, _ = worlds
    job_id = await first.start()
    async with connection_to(database_url) as connection:
        await aio_as_trio(connection.execute)(START, job_id)
    rows = await query(database_url, "select job_id, before from audit.admissions order by id")
    assert [tuple(row) for row in rows] == [(job_id, 0), (job_id, 1)]


@pytest.fixture
def unfenced(monkeypatch):
    """An engine that takes every record for one of the current attempt."""
    take = record.RecordBatch.take

    def take_anything(self, one):
        task_id = one.fence.task_id
        self.held.add(task_id)
        self.tasks[task_id] = replace(self.tasks[task_id], attempt=one.fence.attempt)
        return take(self, one)

    monkeypatch.setattr(record.RecordBatch, "take", take_anything)


async def taken_over(first, second):
    """A task whose first attempt was rescued; the second one works elsewhere."""
    await first.start()
    [old] = await first.claim()
    beats = await second.store.beats()
    await second.store.rescue(first.instance, beats[first.instance], at(1))
    first.instance = await first.store.join("first", at(2))
    return old


@pytest.mark.usefixtures("unfenced")
@pytest.mark.parametrize(
    ("place", "what"),
    [
        (0, "attempt 2 changed by another than its holder"),
        (1, "a line of attempt 1"),
        (2, "progress 0.501 of an older attempt than 2"),
        (3, "a result of attempt 1"),
    ],
)
async def test_writes_of_an_older_attempt_are_seen(worlds, database_url, place, what):
    first, second = worlds
    old = await taken_over(first, second)
    [new] = await second.claim(now=at(3))
    assert new.task.attempt == 2
    await first.record((*said(old), finished(old))[place])
    assert set(await kinds(database_url)) == {("stale", "a1")}
    assert what in [row["what"] for row in await query(database_url, VIOLATIONS)]


@pytest.mark.usefixtures("unfenced")
async def test_a_write_where_nobody_works_is_seen(worlds, database_url):
    first, second = worlds
    old = await taken_over(first, second)
    await first.record(said(old)[2])
    assert await kinds(database_url) == [("stale", "a1")]


@pytest.mark.usefixtures("unfenced")
async def test_a_write_after_the_end_is_seen(worlds, database_url):
    first, second = worlds
    old = await taken_over(first, second)
    [new] = await second.claim(now=at(3))
    await second.record(done(new))
    await first.record(done(old))
    assert set(await kinds(database_url)) == {("stale", "a1")}


async def test_a_task_claimed_while_it_works_is_seen(worlds, database_url):
    first, second = worlds
    await first.start()
    [mine] = await first.claim()
    async with connection_to(database_url) as connection:
        claim = "update tasks set attempt = 2, holder = $1 where id = $2"
        await aio_as_trio(connection.execute)(claim, second.instance, mine.task.id)
    assert set(await kinds(database_url)) == {("stale", None)}
