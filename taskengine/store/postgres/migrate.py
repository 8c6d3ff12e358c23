"""Bringing the schema up to date, and the role's limits that keep locks short (rules 7, 25)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg
import trio
from trio_asyncio import aio_as_trio

from taskengine.model import StoreUnavailable
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.driver_errors import AWAY_ERRORS, connected
from taskengine.store.postgres.queries import migrations
from taskengine.store.postgres.session import is_pooled

logger = logging.getLogger(__name__)

LOCK = 0x7461736B656E67  # of the advisory lock
CONNECT_TIMEOUT = 5.0  # seconds
TRIES = 600  # tenths of a second
TELL = 10.0  # seconds between two lines about an outage at the start
RETRY_PAUSE = 1.0  # seconds before it is tried again
NUMBERS = "select number from migrations"

# On the role and database, so that they hold behind a pooler too. The planner's: fresh tables
# have no statistics, and a sequential scan or a hash join chosen then costs a hundredfold.
ROLE_SETTINGS = {
    "idle_in_transaction_session_timeout": "2s",
    "lock_timeout": "1s",
    "statement_timeout": "5s",
    "client_connection_check_interval": "500ms",  # who is gone lets go of its locks
    "tcp_user_timeout": "10000",  # ms, as it is shown
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "synchronous_commit": "on",
    "jit": "off",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}


async def upgrade(url: str) -> list[str]:
    """Apply the missing migrations under an advisory lock; the names of those applied."""
    return await _done(_upgrade, url)


async def missing(url: str) -> list[str]:
    """The names of the migrations that it has not seen. Nothing is changed."""
    return await _done(_missing, url)


async def _done(work: Callable[[str], Awaitable[list[str]]], url: str) -> list[str]:
    try:
        return await aio_as_trio(work)(url)  # type: ignore[no-any-return]
    except AWAY_ERRORS as error:
        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error


async def wait_for(
    work: Callable[[str], Awaitable[list[str]]], url: str, patience: float
) -> list[str]:
    """Upgrade, or look what is missing, waiting up to `patience` seconds for the database."""
    start, told = trio.current_time(), -TELL
    while True:
        try:
            return await work(url)
        except StoreUnavailable as outage:
            waited = trio.current_time() - start
            if waited > patience:
                raise type(outage)(f"no database after {patience:g} s: {outage}") from outage
            if waited >= told + TELL:
                logger.warning("waiting for the database, up to %g s: %s", patience, outage)
                told = waited
        await trio.sleep(RETRY_PAUSE)


async def wait_and_upgrade(url: str, patience: float) -> list[str]:
    """Upgrade; the names of what was applied."""
    return await wait_for(upgrade, url, patience)


async def _missing(url: str) -> list[str]:
    connection = await _connect(url, CONNECT_TIMEOUT)
    try:
        known: set[int] = set()
        if await connection.fetchval("select to_regclass('migrations')") is not None:
            known = {row["number"] for row in await connection.fetch(NUMBERS)}
        return [name for number, name, _ in migrations() if number not in known]
    finally:
        connection.terminate()


async def _upgrade(url: str) -> list[str]:
    applied = await _upgrade_alone(url)
    await _check_limits(url)
    return applied


async def _upgrade_alone(url: str) -> list[str]:
    connection = await _connect(url, 600)
    try:
        tried = _try_in_session if not await is_pooled(connection) else _try_in_transaction
        # Waiting in pg_advisory_lock() would deadlock with CREATE INDEX CONCURRENTLY.
        for _ in range(TRIES):
            with suppress(asyncpg.LockNotAvailableError):  # who holds it is not held up for long
                if (applied := await tried(connection)) is not None:
                    return applied
            await asyncio.sleep(0.1)
        raise StoreUnavailable("another upgrade of the database does not end")
    finally:
        connection.terminate()


async def _try_in_session(connection: Connection) -> list[str] | None:
    """Upgrade; None while another one does. The lock ends with the connection."""
    await connection.execute("set statement_timeout = 0")
    if not await connection.fetchval("select pg_try_advisory_lock($1)", LOCK):
        return None
    return await _apply(connection)


async def _try_in_transaction(connection: Connection) -> list[str] | None:
    """The same behind a pooler, where a session's lock would outlive us in a session of others."""
    async with connection.transaction():
        await connection.execute("set local statement_timeout = 0")
        if not await connection.fetchval("select pg_try_advisory_xact_lock($1)", LOCK):
            return None
        return await _apply(connection)


async def _connect(url: str, command_timeout: float) -> Connection:
    """Without prepared statements, which a pooler may hand to others."""
    return await connected(
        url, timeout=CONNECT_TIMEOUT, command_timeout=command_timeout, statement_cache_size=0
    )


async def _apply(connection: Connection) -> list[str]:
    await connection.execute(
        "create table if not exists migrations (number integer primary key, name text not null)"
    )
    known = {row["number"] for row in await connection.fetch(NUMBERS)}
    applied = []
    for number, name, text in migrations():
        if number not in known:
            async with connection.transaction():
                # A statement that waits for its lock holds up all that come after it.
                await connection.execute("set local lock_timeout = '1s'")
                await connection.execute(text)
                await connection.execute("insert into migrations values ($1, $2)", number, name)
            applied.append(name)
    await _limit_role(connection)
    return applied


async def _limit_role(connection: Connection) -> None:
    database = await connection.fetchval("select quote_ident(current_database())")
    for name, value in ROLE_SETTINGS.items():
        if await connection.fetchval("select current_setting($1)", name) != value:
            await connection.execute(
                f"alter role current_user in database {database} set {name} = '{value}'"
            )


async def _check_limits(url: str) -> None:
    """Whether a new connection really has them: a pooler or the server may override them.

    Those of TCP show nothing on a local socket.
    """
    connection = await _connect(url, 5)
    try:
        async with connection.transaction():
            is_local = await connection.fetchval("select inet_server_addr() is null")
            for name, wanted in ROLE_SETTINGS.items():
                found = await connection.fetchval("select current_setting($1)", name)
                if found != wanted and not (is_local and name.startswith("tcp_")):
                    logger.warning("%s is %s on the database, expected %s", name, found, wanted)
    finally:
        connection.terminate()
