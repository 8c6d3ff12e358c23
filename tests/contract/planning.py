"""What tests of plans share: a database whose statistics are those that a test makes, and how a
statement is prepared in it as in its transaction."""

import pytest

from taskengine.store.postgres.queries import queries
from tests.conftest import fresh_database

STILL = """
do $$ declare one regclass; begin
    for one in select oid from pg_class
               where relkind = 'r' and relnamespace = 'public'::regnamespace loop
        execute format('alter table %s set (autovacuum_enabled = off)', one);
    end loop;
end $$
"""
FORGET = """
delete from pg_statistic where starelid in
    (select oid from pg_class where relnamespace = 'public'::regnamespace);
update pg_class set relpages = 0, reltuples = -1, relallvisible = 0
where relnamespace = 'public'::regnamespace and relkind in ('r', 'i')
"""
# Those whose transactions have them planned so.
BY_INDEXES = (
    *("queue_due", "next_due", "claim_lanes", "next_lane", "claim_gates", "next_gate"),
    "old_jobs",
)


@pytest.fixture
def database_url(postgres_server):
    """A fresh one: no autovacuum comes in between, and no other test has left statistics."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture
async def planned(postgres_store):
    await run(postgres_store, STILL)
    return postgres_store


async def run(store, *statements):
    """However long they take."""

    async def execute(connection):
        await connection.execute("set statement_timeout = 0")
        for statement in statements:
            await connection.execute(statement, timeout=100)

    await store.pool.run(execute, single=True)


async def prepare(connection, name):
    """As `probe`, in a transaction like its own."""
    if name in BY_INDEXES:
        await connection.execute(queries()["plan_by_indexes"])
    await connection.execute(f"prepare probe as {queries()[name]}")
