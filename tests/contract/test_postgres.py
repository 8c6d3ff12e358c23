from functools import partial

import pytest

from taskengine.store.postgres import open_postgres
from taskengine.store.transactions.outbox import END, START, Call, put_calls
from tests.conftest import NOON
from tests.contract.promises import StoreContract
from tests.contract.recount import assert_counters_are_true
from tests.contract.world import ONE, World


class TestPostgresStore(StoreContract):
    @pytest.fixture
    async def store(self, postgres_store, request):
        """Whatever a test did, the counters are those of a recount."""
        test = getattr(request.cls, request.node.originalname)
        cleared = test.__module__ == "tests.contract.clearing"
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
    told = [Call(job_id, 7, "a", event, NOON, "{}") for event in (START, START, END)]
    await postgres_store.pool.run(partial(put_calls, calls=told))
    await postgres_store.pool.run(partial(put_calls, calls=told[:1]))
    [lane] = await world.lanes()
    assert [(one.event, one.task_id) for one in lane.callbacks] == [(START, 7), (END, 7)]
