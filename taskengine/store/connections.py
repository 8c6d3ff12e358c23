"""Connections to PostgreSQL, seen from trio: borrowed for one transaction, dropped when in doubt.

asyncpg waits for its polite cancel, for 25 s where the server is stopped; so a connection whose
caller is cancelled is terminated instead (rule 23). Driver errors become ours here alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
import trio
from trio_asyncio import aio_as_trio

from taskengine.model import BadInput, NotFound, StoreUnavailable
from taskengine.store import Dismissed

logger = logging.getLogger(__name__)

T = TypeVar("T")
Connection = Any  # asyncpg is not typed
Transaction = Callable[[Connection], Awaitable[T]]

CONNECT_TIMEOUT = 4.0  # seconds
COMMAND_TIMEOUT = 5.0  # seconds; the server's own statement_timeout comes first
COLLISIONS = 20  # repeats of a transaction after a deadlock or a serialization failure
LOCK_WAITS = 2  # repeats of one that waited for a lock as long as the role may: 1 s each

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,  # shutdown, crash, starting up, statement timeout
    asyncpg.InsufficientResourcesError,  # too many connections, disk full, out of memory
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby
)
COLLIDED = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,  # a migration changed what it reads
    # Where deadlock_timeout is no shorter than lock_timeout (both are 1 s on a server of one's
    # own), a deadlock shows as this.
    asyncpg.LockNotAvailableError,
)
REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


class Pool:
    """At most `size` connections, made when they are needed. All of one event loop."""

    def __init__(self, url: str, size: int) -> None:
        self._url = url
        self._places = trio.CapacityLimiter(size)
        self._idle: list[Connection] = []

    async def run(self, transaction: Transaction[T], *, single: bool = False) -> T:
        """Run a transaction; `single` says that it is one statement, which commits by itself.

        Raises StoreUnavailable, BadInput, Dismissed.
        """
        waits = 0
        async with self._places:
            for _ in range(COLLISIONS):
                try:
                    return await self._attempt(transaction, single)
                except COLLIDED as error:
                    logger.debug("transaction collided, repeated: %s", error)
                    waits += isinstance(error, asyncpg.LockNotAvailableError)
                    if waits > LOCK_WAITS:
                        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error
        raise StoreUnavailable("transactions collide without end")

    async def _attempt(self, transaction: Transaction[T], single: bool) -> T:
        async def attempt() -> T:
            connection = self._waiting() or await self.connect()
            try:
                result = await _run(connection, transaction, single)
            except (*COLLIDED, *REFUSED, BadInput, NotFound, Dismissed):
                await connection.execute("rollback")
                self._keep(connection)
                raise
            except BaseException:
                connection.terminate()
                raise
            self._keep(connection)
            return result

        try:
            answer: T = await aio_as_trio(attempt)()
            return answer
        except COLLIDED:
            raise
        except asyncpg.ForeignKeyViolationError as error:
            raise Dismissed(str(error)) from error
        except asyncpg.ClientConfigurationError as error:
            raise BadInput(f"database_url: {error}") from error
        except REFUSED as error:
            raise BadInput(f"the database refuses the data: {error}") from error
        except AWAY as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error

    def _waiting(self) -> Connection | None:
        """An idle connection that the server has not closed meanwhile."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    def _keep(self, connection: Connection) -> None:
        if not connection.is_closed():
            self._idle.append(connection)

    async def connect(self) -> Connection:
        """A connection of one's own; on the asyncio side."""
        return await asyncpg.connect(
            self._url,
            timeout=CONNECT_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
            server_settings={"application_name": "taskengine", "timezone": "UTC"},
        )

    def close(self) -> None:
        """Drop the idle connections, without waiting for the server."""
        while self._idle:
            self._idle.pop().terminate()


async def _run(connection: Connection, transaction: Transaction[T], single: bool) -> T:
    if single:
        return await transaction(connection)
    await connection.execute("begin")
    result = await transaction(connection)
    await connection.execute("commit")
    return result


@asynccontextmanager
async def open_pool(url: str, size: int) -> AsyncIterator[Pool]:
    """A pool for the length of the block."""
    await aio_as_trio(_tolerate_callbacks)()
    pool = Pool(url, size)
    try:
        yield pool
    finally:
        pool.close()


async def _tolerate_callbacks() -> None:
    """An exception in an asyncio callback would end the loop and the engine with it (rule 23)."""

    def log(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        logger.error("asyncio: %s", context.get("message"), exc_info=context.get("exception"))

    asyncio.get_running_loop().set_exception_handler(log)
