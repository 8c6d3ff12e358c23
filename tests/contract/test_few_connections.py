"""A server that gives few connections: requests wait for one that comes back, the heartbeat is
served before them, and the log says why."""

import asyncio
from urllib.parse import urlsplit

import asyncpg
import pytest
import trio
import trio_asyncio

from taskengine.model import StoreUnavailable
from taskengine.store.postgres import open_postgres
from tests.conftest import _execute as execute

FEW = 3
ROLE = (
    "drop role if exists few",
    f"create role few login password 'few' connection limit {FEW}",
    "grant pg_read_all_data to few",
)


@pytest.fixture
async def store(database_url):
    """Of a role that may have a few connections at once."""
    await trio.to_thread.run_sync(trio_asyncio.run, execute, database_url, *ROLE)
    address = urlsplit(database_url)
    host = address.netloc.rpartition("@")[2]
    url = address._replace(netloc=f"few:few@{host}").geturl()
    async with trio_asyncio.open_loop(), open_postgres(url, connections=12) as store:
        yield store


async def hold(connection):
    await asyncio.sleep(0.2)
    return await connection.fetchval("select 1")


async def count(store, done):
    done.append(await store._run(hold))


async def test_requests_wait_for_a_connection_that_comes_back(store, caplog):
    done = []
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(count, store, done)
    assert done == [1] * 20
    [line] = [one.message for one in caplog.records if "no more connections" in one.message]
    assert 'too many connections for role "few"' in line


async def test_the_heartbeat_is_served_before_them(store):
    vital, done = store.apart(), []
    async with trio.open_nursery() as nursery:
        for _ in range(12):
            nursery.start_soon(busy, store, done)
        await trio.sleep(1)
        assert len(store.pool._idle) <= FEW
        with trio.fail_after(10):
            await vital.time()
            kept = vital.pool._idle
            assert len(kept) == 1
            await vital.time()
            assert vital.pool._idle == kept  # it stays its own
        so_far = len(done)
        with trio.fail_after(10):
            while len(done) < so_far + 5:  # the others go on
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()


async def busy(store, done):
    while True:
        done.append(await store.patient._run(hold))


async def test_without_any_connection_it_says_so_after_a_while(store, caplog):
    others = [await trio_asyncio.aio_as_trio(connect)(store) for _ in range(FEW)]
    try:
        started = trio.current_time()
        with pytest.raises(StoreUnavailable):
            await store.time()
        assert 3 < trio.current_time() - started < 30
    finally:
        for one in others:
            one.terminate()
    assert (
        "no connection came free in 3.5 s: TooManyConnectionsError: too many connections"
        in caplog.text
    )
    with trio.fail_after(60):
        await store.patient.time()  # the server's own end of those others takes a moment


async def connect(store):
    return await asyncpg.connect(store.pool.url)
