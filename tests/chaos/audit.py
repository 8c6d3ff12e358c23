"""The auditor's door to the database: install what watches, read what it saw."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import trio
from trio_asyncio import aio_as_trio

from taskengine.api_keys import hash_key
from taskengine.model import Client
from taskengine.policy import SYSTEM
from taskengine.store.postgres import open_postgres
from taskengine.store.postgres.migrate import upgrade
from tests.chaos.place import ADMIN, CLIENTS, GATE_INTERVAL, KEY, LIMITS, RETRY_DELAY, Limits

SQL = (Path(__file__).parent / "audit.sql").read_text()
FREE = "set statement_timeout = 0; reset enable_hashjoin; set enable_seqscan = on; \
set enable_hashjoin = on; set enable_mergejoin = on; set plan_cache_mode = auto"

Rows = Sequence[Mapping[str, Any]]
# What a query raises while the database is away, or that was given up in its middle.
AWAY = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    trio.TooSlowError,
)


@asynccontextmanager
async def connection_to(url: str) -> AsyncIterator[Any]:
    """A connection without the limits of the engine's role."""
    connection = await aio_as_trio(asyncpg.connect)(url, timeout=5)
    try:
        await aio_as_trio(connection.execute)(FREE)
        yield connection
    finally:
        connection.terminate()


async def query(url: str, sql: str, *arguments: object) -> Rows:
    async with connection_to(url) as connection:
        return await aio_as_trio(connection.fetch)(sql, *arguments)


async def query_patiently(url: str, sql: str, *arguments: object, seconds: float = 60.0) -> Rows:
    """The same, through an outage."""
    with trio.fail_after(seconds):
        while True:
            try:
                with trio.fail_after(5):
                    return await query(url, sql, *arguments)
            except AWAY:
                await trio.sleep(0.1)


async def install(url: str) -> None:
    """Make the schema, the clients with their limits, and the auditor's eyes."""
    await upgrade(url)
    async with open_postgres(url, connections=1) as store:
        for name in (ADMIN, *CLIENTS):
            await store.put_client(Client(name, hash_key(KEY), admin=name == ADMIN))
        for scope, limits in LIMITS.items():
            for name, value in limits.settings.items():
                await store.put_setting(scope, name, str(value))
        await store.put_setting(SYSTEM, "retry_delay", str(RETRY_DELAY))
        await store.put_setting(SYSTEM, "schedule_interval", str(GATE_INTERVAL))
    await watch(url, LIMITS)


async def watch(url: str, limits: Mapping[str, Limits]) -> None:
    """Install the triggers in a database with the engine's schema."""
    rows = [(scope, one.max_jobs, one.slots, one.threshold) for scope, one in limits.items()]
    async with connection_to(url) as connection:
        await aio_as_trio(connection.execute)(SQL)
        insert = "insert into audit.limits values ($1, $2, $3, $4)"
        await aio_as_trio(connection.executemany)(insert, rows)
