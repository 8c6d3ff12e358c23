"""A world around the store of each class of tests; one database, emptied for each of them."""

import pytest
import trio_asyncio

from taskengine.testing.contract.world import World
from tests.conftest import _execute as execute
from tests.conftest import kept_database

# The little that a test leaves is deleted, which takes a fraction of the time that truncating
# takes, with its new files; it leaves the room taken, so that a table that has grown is truncated.
# The lock waits for whoever is writing yet.
EMPTY = """
set local lock_timeout = 0;
set local statement_timeout = 0;
do $$
declare
    names constant text := (
        select string_agg(oid::regclass::text, ', ') from pg_class
        where relkind = 'r' and relnamespace = 'public'::regnamespace
        and relname not in ('migrations', 'schedules'));
    deletions text;
begin
    execute 'lock table ' || names;
    select string_agg('d' || place || ' as (delete from ' || name || ')', ', ')
        filter (where pg_relation_size(name::regclass) > 0)
    into deletions
    from string_to_table(names, ', ') with ordinality as one (name, place)
    having max(pg_relation_size(name::regclass)) <= 65536;
    execute coalesce('with ' || deletions || ' select', 'truncate ' || names);
    perform setval(oid::regclass, 1, false) from pg_class
    where relkind = 'S' and relnamespace = 'public'::regnamespace;
    insert into scopes values ('');
    delete from schedules where client is not null;
    update schedules set active = true, next_at = null, tick_at = null, again_at = null
    where not active or coalesce(next_at, tick_at, again_at) is not null;
end $$
"""
LEAVE = """
select pg_terminate_backend(pid, 60000) from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
"""


@pytest.fixture(scope="session")
def contract_database(postgres_server):
    with kept_database(postgres_server, "contract") as url:
        yield url


@pytest.fixture
def database_url(contract_database):
    """As good as a fresh one, and made faster. Nobody of the test before is at work in it."""
    trio_asyncio.run(execute, contract_database, LEAVE, EMPTY)
    return contract_database


@pytest.fixture
async def world(store):
    return await World(store).settle()
