from functools import partial

import pytest
from trio_asyncio import aio_as_trio

from taskengine.policy import SYSTEM
from taskengine.store.postgres import open_postgres
from taskengine.store.postgres.outbox import END, START, OutboxEvent, put_calls
from taskengine.testing.contract import StoreContract
from taskengine.testing.contract.world import ONE, World, again, at, submission
from tests.conftest import NOON
from tests.contract.recount import assert_counters_are_true, fetch


class TestPostgresStore(StoreContract):
    @pytest.fixture
    async def store(self, postgres_store, request):
        """Whatever a test did, the counters are those of a recount."""
        test = getattr(request.cls, request.node.originalname)
        cleared = test.__module__ == "taskengine.testing.contract.retention"
        yield postgres_store
        await assert_counters_are_true(postgres_store, cleared=cleared)

    @pytest.fixture
    async def twin(self, postgres_store, database_url):
        async with open_postgres(database_url, connections=1) as twin:
            yield twin


async def test_the_schema_keeps_an_event_from_being_told_twice(postgres_store):
    """Rule 22, whatever the program does."""
    world = await World(postgres_store).settle()
    job_id = await world.start(urls=[ONE])
    told = [OutboxEvent(job_id, 7, "a", event, NOON, "{}") for event in (START, START, END)]
    await postgres_store.pool.run(partial(put_calls, calls=told))
    await postgres_store.pool.run(partial(put_calls, calls=told[:1]))
    [lane] = await world.lanes()
    assert [(one.event, one.task_id) for one in lane.callbacks] == [(START, 7), (END, 7)]


async def test_times_of_the_store_are_told_by_the_names_of_its_methods(postgres_store):
    world = await World(postgres_store).settle()
    await world.start(urls=[ONE])
    [metric] = postgres_store.meters.store.collect()
    names = {sample.labels["operation"] for sample in metric.samples}
    assert {"put_setting", "submit", "admit"} <= names
    assert all(name.isidentifier() for name in names)


async def test_a_snapshot_is_told_of_as_long_as_it_is_held(postgres_store):
    other = await aio_as_trio(postgres_store.pool.connect)()
    ask = aio_as_trio(other.fetchval)
    await aio_as_trio(other.execute)("set idle_in_transaction_session_timeout = 0")
    await aio_as_trio(other.execute)("begin isolation level repeatable read")
    since = await ask("select clock_timestamp()")
    held = await postgres_store.snapshot_since()
    assert held is not None
    assert held <= since
    await aio_as_trio(other.execute)("commit")
    ended = await ask("select clock_timestamp()")
    held = await postgres_store.snapshot_since()
    assert held is None or held >= ended
    await aio_as_trio(other.close)()


DUE_RETRIES = "update tasks set is_retry = true, due_at = $1 where priority = 9"


async def test_due_retries_that_a_claim_leaves_over_hide_no_urgent_one(postgres_store):
    """A claim reads the 500 retries that were due first; those that it leaves over are ordinary
    tasks from then on, or a later, more urgent one would wait until all of them were done."""
    world = await World(postgres_store).settle()
    await world.setting(SYSTEM, max_jobs=1000)
    await world.submit(*(submission(priority=9) for _ in range(510)))
    assert await world.admit(limit=1000) == 510
    await fetch(postgres_store, DUE_RETRIES, NOON)
    urgent = await world.start(priority=1)
    [attempt] = await world.claim(1)  # it reads 500 of the others, and leaves them over
    await world.record(again(attempt, at(5)))
    assert [one.job.id for one in await world.claim(1, at(10))] == [urgent]
