"""A world around the store of each class of tests; one database, emptied for each of them."""

import os

import pytest
import trio_asyncio

from taskengine.store.migrate import upgrade
from tests.conftest import _execute as execute
from tests.conftest import other_database
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
    name = f"te_{os.getpid()}_contract"
    trio_asyncio.run(execute, postgres_server, f"create database {name}")
    url = other_database(postgres_server, name)
    trio_asyncio.run(upgrade, url)
    yield url
    trio_asyncio.run(execute, postgres_server, f"drop database {name} with (force)")


@pytest.fixture
def database_url(contract_database):
    """As good as a fresh one, and made faster."""
    trio_asyncio.run(execute, contract_database, EMPTY)
    return contract_database


@pytest.fixture
async def world(store):
    return await World(store).settle()
