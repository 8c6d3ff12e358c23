"""Connections that are cut, cancelled or in each other's way."""

import asyncio
from functools import partial

import asyncpg
import pytest
import trio
import trio_asyncio

from taskengine.model import BadInput, NotFound, StoreUnavailable, TooSlow
from taskengine.store import Dismissed
from taskengine.store.postgres import connections, open_postgres
from taskengine.store.postgres.connections import LOCK_WAITS
from taskengine.testing.contract.world import World, submission
from tests.conftest import NOON
from tests.contract.recount import fetch

SLEEP = "select pg_sleep(30)"
SLEEPERS = (
    "select pid from pg_stat_activity "
    f"where query = '{SLEEP}' and state = 'active' and datname = current_database()"
)
AT_LEISURE = "set local lock_timeout = 0; set local idle_in_transaction_session_timeout = 0"


@pytest.fixture
def store(postgres_store):
    return postgres_store


async def test_a_statement_that_takes_too_long_is_no_outage(store):
    await fetch(store, "select set_config('statement_timeout', '50ms', false)")
    with pytest.raises(TooSlow):
        await store.pool.run(sleeping, single=True)
    await fetch(store, "select 1")


def sleeping(connection):
    return connection.execute(SLEEP)


async def test_idle_connections_are_not_trusted_after_one_that_hung(store, monkeypatch):
    """They may be half-open too, and would cost a time limit each."""
    monkeypatch.setattr(connections, "DOUBT", 0.0)

    async def pid(connection):
        await both.wait()
        return await connection.fetchval("select pg_backend_pid()")

    async def ask():
        asked.append(await store.pool.run(pid, single=True))

    asked, both = [], asyncio.Barrier(2)
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(ask)
        with trio.move_on_after(0.2):
            await store.pool.run(sleeping, single=True)
    assert not {*asked[:2]} & {*asked[2:]}


async def kill_sleepers(store):
    killed = []
    while not killed:
        killed = await fetch(store, f"select pg_terminate_backend(pid) from ({SLEEPERS}) as one")
        await trio.sleep(0.01)


async def test_a_cancelled_caller_returns_at_once_and_the_pool_stays_usable(store):
    """Rule 23: the driver's own cancel waits for the server."""
    for _ in range(6):  # more often than there are connections
        started = trio.current_time()
        with trio.move_on_after(0.05):
            await store.pool.run(sleeping)
        assert trio.current_time() - started < 10  # the statement and the driver take longer
        assert await fetch(store, "select 1") == [(1,)]


async def test_a_cancelled_transaction_leaves_nothing_behind(store):
    async def write(connection):
        await connection.execute("insert into scopes values ('half')")
        await connection.execute(SLEEP)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.pool.run, write)
        while not await fetch(store, SLEEPERS):
            await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert await fetch(store, "select name from scopes") == [("",)]


async def test_an_impatient_store_tells_that_its_connection_was_cut(store):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kill_sleepers, store)
        with pytest.raises(StoreUnavailable):
            await store.pool.run(sleeping)
    assert await fetch(store, "select 1") == [(1,)]


async def test_a_patient_store_outlives_a_cut_connection(store):
    tries = []

    async def once_cut(connection):
        tries.append(connection)
        return await connection.execute(SLEEP if len(tries) == 1 else "select 1")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(kill_sleepers, store)
        with trio.fail_after(60):
            await store.patient._run(once_cut)
    assert len(tries) == 2
    assert tries[0] is not tries[1]


async def test_connections_that_were_cut_while_idle_are_not_used(store):
    met = asyncio.Barrier(4)

    async def meet(_):
        await met.wait()

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(partial(store.pool.run, meet, single=True))
    await fetch(
        store,
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()",
    )
    with trio.fail_after(60):
        while len([one for one in store.pool._idle if not one.is_closed()]) > 1:
            await trio.sleep(0.01)
    for _ in range(4):
        assert await fetch(store, "select 1") == [(1,)]


async def test_a_database_that_cannot_be_reached_is_unavailable(database_url):
    head, _, tail = database_url.rpartition(":")
    nowhere = f"{head}:1/{tail.partition('/')[2]}"
    async with trio_asyncio.open_loop(), open_postgres(nowhere) as store:
        with pytest.raises(StoreUnavailable):
            await store.totals()
        with trio.move_on_after(0.5) as scope:
            await store.patient.totals()
        assert scope.cancelled_caught


async def test_transactions_that_block_each_other_are_repeated(store):
    await World(store).settle()
    met, tries = asyncio.Barrier(2), []

    def crossing(first, second):
        async def cross(connection):
            tries.append(first)
            await connection.execute(AT_LEISURE)  # the deadlock is seen
            statement = "update scopes set name = name where name = $1"
            await connection.execute(statement, first)
            if len(tries) <= 2:  # a repeat might be quicker than who waits, and they cross again
                await met.wait()
                await connection.execute(statement, second)

        return cross

    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.pool.run, crossing("acme", "beta"))
        nursery.start_soon(store.pool.run, crossing("beta", "acme"))
    assert len(tries) == 3


@pytest.mark.parametrize("held_for", [1, LOCK_WAITS + 1])
async def test_a_transaction_that_waited_too_long_for_a_lock_is_repeated_a_few_times(
    store, held_for
):
    """On a server of one's own a deadlock may end so; an impatient caller is told in the end."""
    await World(store).settle()
    held, tries = asyncio.Event(), []
    statement = "select * from scopes where name = 'acme' for update"

    async def hold(connection):
        await connection.execute(AT_LEISURE)
        await connection.execute(statement)
        held.set()
        while len(tries) <= held_for:
            await asyncio.sleep(0.001)

    async def wait(connection):
        await held.wait()
        tries.append(connection)
        await connection.execute(AT_LEISURE)
        if len(tries) <= held_for:
            await connection.execute("set local lock_timeout = '5ms'")
        await connection.execute(statement)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.pool.run, hold)
        if held_for <= LOCK_WAITS:
            await store.pool.run(wait)
        else:
            with pytest.raises(StoreUnavailable):
                await store.pool.run(wait)
            tries.append(None)
    assert len(tries) == held_for + 1
    assert await fetch(store, "select 1") == [(1,)]


@pytest.mark.parametrize("refusal", [NotFound, BadInput, Dismissed])
async def test_a_refusal_costs_no_connection(store, refusal):
    async def refuse(connection):
        pids.append(await connection.fetchval("select pg_backend_pid()"))
        raise refusal("no")

    pids = []
    for _ in range(2):
        with pytest.raises(refusal):
            await store.pool.run(refuse)
    assert pids[0] == pids[1]


async def test_transactions_that_collide_without_end_are_unavailable(store):
    async def collide(connection):
        raise asyncpg.SerializationError("again")

    with pytest.raises(StoreUnavailable):
        await store.pool.run(collide)
    assert await fetch(store, "select 1") == [(1,)]


async def test_a_cached_plan_that_a_migration_outdated_is_made_anew(store):
    """Rule 25."""

    async def read(connection):
        return await connection.fetch("select * from scopes")

    for _ in range(3):
        await store.pool.run(read)
    await fetch(store, "alter table scopes add column extra integer")
    try:
        [row] = await store.pool.run(read)
        assert list(row.keys()) == ["name", "virtual_time", "extra"]
    finally:
        await fetch(store, "alter table scopes drop column extra")


async def test_twins_count_for_one_instance(store):
    """Rule 19: without it the submissions of all instances would share their counter rows."""
    world = World(store.patient)
    await world.settle()
    await store.submit([submission()], NOON)
    assert await fetch(store, "select distinct instance from counters") == [(world.instance,)]
