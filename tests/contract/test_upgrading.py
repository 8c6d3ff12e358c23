"""Migrations beside an engine at work (rule 25)."""

import trio
from trio_asyncio import aio_as_trio

from taskengine.store import migrate
from tests.conftest import NOON
from tests.contract.recount import fetch
from tests.contract.world import World

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
