"""The database for a command, without an engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio_asyncio

from taskengine.configuration import Configuration
from taskengine.embedded.postgres import has_database
from taskengine.main import CONNECTIONS, open_database, open_store
from taskengine.model import Misconfigured
from taskengine.store.postgres import PostgresStore, open_postgres
from taskengine.store.postgres.migrate import missing, wait_and_upgrade, wait_for


@asynccontextmanager
async def store_alone(
    configuration: Configuration, patience: float
) -> AsyncIterator[PostgresStore]:
    """The store for a command, without an engine."""
    async with trio_asyncio.open_loop(), open_store(configuration, patience) as store:
        yield store


@asynccontextmanager
async def store_as_it_is(
    configuration: Configuration, patience: float
) -> AsyncIterator[PostgresStore]:
    """The same of a database that is there already. Raises Misconfigured where there is none:
    whoever only looks, or looks in the wrong place, makes nothing."""
    data = configuration.data_dir.absolute()
    if configuration.embedded_database and not has_database(data):
        told = f"there is no database in {data}: name its folder with --data-dir"
        raise Misconfigured(f"{told}, or start `taskengine serve` to make one")
    async with trio_asyncio.open_loop(), open_database(configuration) as url:
        if await wait_for(missing, url, patience):
            raise Misconfigured("the database is not up to date: `taskengine db upgrade`")
        async with open_postgres(url, connections=CONNECTIONS) as store:
            yield store


async def upgrade_database(configuration: Configuration, patience: float) -> list[str]:
    """Bring the schema up to date; the names of the migrations that it took."""
    async with trio_asyncio.open_loop(), open_database(configuration) as url:
        return await wait_and_upgrade(url, patience)
