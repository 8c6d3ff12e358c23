"""Migrations beside an engine at work, and beside each other (rule 25)."""

from contextlib import asynccontextmanager

import pytest
import trio
from trio_asyncio import aio_as_trio

from taskengine.store.postgres import migrate
from taskengine.testing.contract.world import World
from tests.conftest import NOON
from tests.contract.recount import fetch

LATER = (9999, "9999_later.sql", "alter table jobs add column later integer")


async def test_a_migration_waits_for_its_lock_by_trying_again(
    postgres_store, database_url, monkeypatch
):
    """Others are held up for a second at most, whoever has the lock and for however long."""
    monkeypatch.setattr(migrate, "migrations", lambda: [LATER])
    await World(postgres_store).settle()
    reader = await aio_as_trio(postgres_store.pool.connect)()
    await aio_as_trio(reader.execute)("set idle_in_transaction_session_timeout = 0")
    await aio_as_trio(reader.execute)("begin; select 1 from jobs")
    applied, answered = [], []

    async def upgrade():
        applied.extend(await migrate.upgrade(database_url))

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(upgrade)
            await trio.sleep(0.2)
            for _ in range(4):  # each waits behind the migration
                started = trio.current_time()
                await postgres_store.patient.queue_due(NOON)
                answered.append(trio.current_time() - started)
                await trio.sleep(0.3)
            assert applied == []
            await aio_as_trio(reader.execute)("commit")
        assert applied == [LATER[1]]
        assert max(answered) < 2
    finally:
        await aio_as_trio(reader.close)()
        await fetch(postgres_store, "alter table jobs drop column if exists later")
        await fetch(postgres_store, "delete from migrations where number = 9999")


NEW = (9998, "9998_new.sql", "create table newer (id integer); select pg_sleep(0.5)")
LOCKS = "select pid from pg_locks where locktype = 'advisory'"
VARIANTS = {"in the session": "_try_in_session", "in a transaction": "_try_in_transaction"}


@pytest.fixture
def tries():
    """The connections of the upgrades, each time that they look."""
    return []


@pytest.fixture(params=VARIANTS)
async def store(request, postgres_store, monkeypatch, tries):
    """Of a database to be upgraded, by upgrades that lock so."""
    tried = getattr(migrate, VARIANTS[request.param])

    async def pooled(_):
        return request.param == "in a transaction"

    async def counted(connection):
        tries.append(connection)
        return await tried(connection)

    monkeypatch.setattr(migrate, VARIANTS[request.param], counted)

    monkeypatch.setattr(migrate, "is_pooled", pooled)
    monkeypatch.setattr(migrate, "migrations", lambda: [NEW])
    await World(postgres_store).settle()
    yield postgres_store
    await fetch(postgres_store, "drop table if exists newer")
    await fetch(postgres_store, "delete from migrations where number = 9998")


async def test_of_upgrades_at_once_one_applies_and_all_succeed(store, database_url):
    applied = []

    async def upgrade():
        applied.append(await migrate.upgrade(database_url))

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(upgrade)
    assert sorted(applied) == [[], [], [], [NEW[1]]]
    assert await fetch(store, LOCKS) == []


@asynccontextmanager
async def connection_of(store):
    connection = await aio_as_trio(store.pool.connect)()
    try:
        yield aio_as_trio(connection.execute)
    finally:
        connection.terminate()


async def test_who_waits_for_another_upgrade_does_not_hold_it_up(store, database_url, tries):
    """An index that is made concurrently waits for all who are in a statement or transaction."""
    async with connection_of(store) as execute, trio.open_nursery() as nursery:
        await execute("set statement_timeout = '5s'; set lock_timeout = 0")
        await execute(f"select pg_advisory_lock({migrate.LOCK})")
        nursery.start_soon(migrate.upgrade, database_url)
        with trio.fail_after(10):
            while len(tries) < 2 and not await fetch(store, f"{LOCKS} and not granted"):
                await trio.sleep(0.01)
        await execute("create index concurrently newer_names on clients (name)")
        await execute("drop index newer_names")
        assert await fetch(store, "select to_regclass('newer')") == [(None,)]
        await execute(f"select pg_advisory_unlock({migrate.LOCK})")
    assert await fetch(store, "select to_regclass('newer')::text") == [("newer",)]
