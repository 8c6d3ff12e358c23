"""A world around the store of each class of tests; one database, emptied for each of them."""

import pytest
import trio_asyncio

from tests.conftest import _execute as execute
from tests.conftest import kept_database
from tests.contract.world import World

EMPTY = """
do $$ begin
    execute (select 'truncate ' || string_agg(quote_ident(tablename), ', ') || ' restart identity'
             from pg_tables where schemaname = 'public'
             and tablename not in ('migrations', 'schedules'));
    insert into scopes values ('');
    delete from schedules where client is not null;
    update schedules set active = true, next_at = null, tick_at = null, again_at = null;
end $$
"""


@pytest.fixture(scope="session")
def contract_database(postgres_server):
    with kept_database(postgres_server, "contract") as url:
        yield url


@pytest.fixture
def database_url(contract_database):
    """As good as a fresh one, and made faster."""
    trio_asyncio.run(execute, contract_database, EMPTY)
    return contract_database


@pytest.fixture
async def world(store):
    return await World(store).settle()
