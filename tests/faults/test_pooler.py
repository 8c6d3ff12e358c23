"""Behind a transaction pooler: no session is ours, and no announcement arrives."""

from __future__ import annotations

import pytest
import trio
import trio_asyncio

from taskengine.store import Deaf
from taskengine.store.postgres import open_postgres
from taskengine.store.postgres.migrate import upgrade
from taskengine.testing.contract.world import World
from tests.faults.load import check_counters, rows
from tests.faults.pooler import Pooler
from tests.faults.proxy import proxied
from tests.support.serving import ended_job, post_job, serving

DEAF = "announcements of other instances do not arrive"


@pytest.fixture
def pooler(direct_url):
    with proxied(direct_url, Pooler) as pooler:
        yield pooler


async def test_the_store_keeps_nothing_in_sessions(pooler, direct_url):
    async with trio_asyncio.open_loop():
        for _ in range(2):  # a lock that stayed in a session would hold up the second one
            assert await upgrade(pooler.own_url) == []
        async with open_postgres(pooler.own_url) as store:
            world = World(store)
            await world.settle()
            for _ in range(3):
                job_id = await world.start()
                await world.perform(job_id)
                assert (await world.job(job_id)).job.state.label == "completed"
            with pytest.raises(Deaf):
                async for _ in store.listen():
                    raise AssertionError("an announcement came")
    assert await rows(direct_url, "select pid from pg_locks where locktype = 'advisory'") == []


async def test_instances_work_together_by_looking(tmp_path, pooler, direct_url):
    given = {"database_url": pooler.own_url, "redis_url": "none", "lease": 3}
    logs = [tmp_path / f"{name}.log" for name in ("one", "two")]
    async with (
        serving(tmp_path / "var", name="one", queues="work=0", **given) as (_, one),
        serving(tmp_path / "var", name="two", **given),
    ):
        jobs = [await post_job(one, "noop") for _ in range(5)]
        for job_id in jobs:
            assert not (await ended_job(one, job_id, 20))["failed"]
        await check_counters(direct_url)
        with trio.fail_after(60):  # each has listened for some seconds by then
            while any(DEAF not in log.read_text() for log in logs):
                await trio.sleep(0.1)
    for log in logs:
        text = log.read_text()
        assert text.count("there is a pooler before the database") == 1
        assert text.count(DEAF) == 1
        assert "Traceback" not in text
