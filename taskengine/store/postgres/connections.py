"""Connections to PostgreSQL, seen from trio: borrowed for one transaction, dropped when in doubt.

asyncpg waits for its polite cancel, for 25 s where the server is stopped; so a connection whose
caller is cancelled is terminated instead (rule 23). Driver errors become ours here alone.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
import trio

from taskengine.model import (
    BadInput,
    Blocked,
    Interrupted,
    NotFound,
    OutcomeUnknown,
    StoreUnavailable,
    TooSlow,
)
from taskengine.store import Dismissed
from taskengine.store.postgres.driver_errors import (
    AWAY_ERRORS,
    COLLIDED,
    CUT,
    LOCKED_OUT,
    REFUSED,
    Outages,
    TransactionCut,
    connected,
)
from taskengine.store.postgres.driver_loop import DriverLoop, open_driver_loop
from taskengine.store.postgres.few_connections import (
    CONNECTION_DEADLINE,
    RETRY_PAUSE,
    NoConnection,
    Scarcity,
)
from taskengine.store.postgres.session import is_pooled

logger = logging.getLogger(__name__)

T = TypeVar("T")
Connection = Any  # asyncpg is not typed
Transaction = Callable[[Connection], Awaitable[T]]

CONNECT_TIMEOUT = 3.0  # seconds; with the pause before it, 5 s after an outage
COMMAND_TIMEOUT = 5.5  # seconds; the server's own statement_timeout, 5 s, comes first
STATEMENTS = 500  # that a connection keeps prepared: all that there are
PROBE = 2.0  # seconds for a trivial question in a session of its own
DOUBT = 2.0  # seconds of silence after which whatever idles is not trusted either
COLLISIONS = 20  # repeats of a transaction after a deadlock or a serialization failure
LOCK_WAITS = 2  # repeats of one that waited for a lock as long as the role may: 1 s each


@dataclass(slots=True)
class Nature:
    """What is known of the way to the database; pools on the same one share it."""

    pooled: bool = False  # each transaction may be in another session


class Pool:
    """At most `size` connections, made when they are needed. All of one event loop of asyncio,
    where transactions run; what the pool knows belongs to trio's side."""

    def __init__(self, url: str, size: int, loop: DriverLoop, nature: Nature | None = None) -> None:
        self.url = url
        self.nature = nature or Nature()
        self._loop = loop
        self._places = trio.CapacityLimiter(size)
        self._idle: list[Connection] = []
        self._others: list[Pool] = []
        self._scarcity = Scarcity()
        self._giver: Pool | None = None  # gives up a connection where this one gets none
        self._owes = False  # the next connection that comes back is given up
        self.outages = Outages()

    async def run(
        self,
        transaction: Transaction[T],
        *,
        single: bool = False,
        lock_waits: int = LOCK_WAITS,
    ) -> T:
        """Run a transaction; `single` says that it is one statement, which commits by itself.

        Raises StoreUnavailable, of which TooSlow, Interrupted and Blocked say more, OutcomeUnknown,
        BadInput, Dismissed.
        """
        waits = collisions = 0
        async with self._places:
            patience = trio.current_time() + CONNECTION_DEADLINE
            while collisions < COLLISIONS:
                try:
                    return await self._attempt(transaction, single)
                except NoConnection:
                    if self._giver is not None:
                        self._giver.give_up_one()
                    await self._scarcity.wait(patience)
                except COLLIDED as error:
                    logger.debug("transaction collided, repeated: %s", error)
                    collisions += 1
                    waits += isinstance(error, asyncpg.LockNotAvailableError)
                    if waits > lock_waits:
                        raise Blocked(f"{type(error).__name__}: {error}") from error
        raise StoreUnavailable("transactions collide without end")

    async def _attempt(self, transaction: Transaction[T], single: bool) -> T:
        """Once, in the errors of the model."""
        try:
            return await self._try(transaction, single)
        except COLLIDED:
            raise
        except asyncpg.ForeignKeyViolationError as error:
            raise Dismissed(str(error)) from error
        except REFUSED as error:
            raise BadInput(f"the database refuses the data: {error}") from error
        except asyncpg.QueryCanceledError as error:
            raise TooSlow(str(error)) from error
        except TransactionCut as cut:
            raise Interrupted(f"{type(cut.error).__name__}: {cut.error}") from cut.error
        except (*AWAY_ERRORS, *LOCKED_OUT) as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error

    async def _try(self, transaction: Transaction[T], single: bool) -> T:
        connection = self._waiting() or await self._one_more()
        started = trio.current_time()
        try:
            # A session may change between a statement's preparation and its execution.
            is_single = single and not self.nature.pooled
            return await self._loop.call(_run, connection, transaction, is_single)
        except (trio.Cancelled, TransactionCut) as error:
            given_up = isinstance(getattr(error, "error", None), TimeoutError | None)
            if given_up and trio.current_time() - started > DOUBT:
                self._drop_idle()  # they may be half-open too, and cost each a time limit
            raise
        finally:
            self._keep(connection)

    async def answers(self) -> bool:
        """Whether the database as such answers, a new session at once."""
        with trio.move_on_after(PROBE):
            return bool(await self._loop.call(self._ask))
        return False

    async def _ask(self) -> bool:
        try:
            connection = await self._connect()
        except (*AWAY_ERRORS, *LOCKED_OUT):
            return False
        try:
            return bool(await connection.fetchval("select true"))
        except AWAY_ERRORS:
            return False
        finally:
            connection.terminate()

    def _waiting(self) -> Connection | None:
        """An idle connection that the server has not closed meanwhile."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    def _keep(self, connection: Connection) -> None:
        if connection.is_closed():
            return
        if self._owes:
            self._owes = False
            self._loop.soon(connection.terminate)
        else:
            self._idle.append(connection)
            self._scarcity.came_back()

    def give_up_one(self) -> None:
        """Leave a connection to somebody who needs it more, and do not ask for another at once."""
        self._scarcity.hold_back(2 * RETRY_PAUSE)
        if self._idle:
            self._loop.soon(self._idle.pop(0).terminate)
        else:
            self._owes = True

    async def _one_more(self) -> Connection:
        """Raises NoConnection where the server gives no more, or gave none a moment ago."""
        self._scarcity.check()
        made: list[Connection] = []
        try:
            await self._loop.call(self._make, made)
        except asyncpg.TooManyConnectionsError as refusal:
            raise self._scarcity.met(refusal) from None
        except trio.Cancelled:  # perhaps in the moment in which it was there
            for connection in made:
                self._loop.soon(connection.terminate)
            raise
        return made[0]

    async def _make(self, made: list[Connection]) -> None:
        made.append(await self.connect())

    async def connect(self) -> Connection:
        """A connection of one's own; on the asyncio side."""
        connection = await self._connect()
        if self.nature.pooled:
            return connection
        try:
            self.nature.pooled = await is_pooled(connection)
        except BaseException:
            connection.terminate()
            raise
        if self.nature.pooled:
            logger.warning("there is a pooler before the database: nothing is kept in sessions")
            connection.terminate()
            connection = await self._connect()
        return connection

    async def _connect(self) -> Connection:
        return await connected(
            self.url,
            timeout=CONNECT_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
            server_settings={"application_name": "taskengine", "timezone": "UTC"},
            statement_cache_size=0 if self.nature.pooled else STATEMENTS,
        )

    def apart(self, size: int) -> Pool:
        """Another one on the same database, closed with this one, and served before it where
        connections are few."""
        other = Pool(self.url, size, self._loop, self.nature)
        other._giver, other.outages = self, self.outages
        self._others.append(other)
        return other

    def close(self) -> None:
        """Drop the idle connections, without waiting for the server."""
        for other in self._others:
            other.close()
        self._drop_idle()

    def _drop_idle(self) -> None:
        while self._idle:
            self._loop.soon(self._idle.pop().terminate)


async def _run(connection: Connection, transaction: Transaction[T], single: bool) -> T:
    """Run a transaction; a connection on which anything else went wrong than what the database says
    of it is terminated."""
    try:
        return await transaction(connection) if single else await _whole(connection, transaction)
    except (*COLLIDED, *REFUSED, BadInput, NotFound, Dismissed):
        await _roll_back(connection)
        raise
    except CUT as error:
        connection.terminate()
        raise TransactionCut(error) from error
    except BaseException:
        connection.terminate()
        raise


async def _whole(connection: Connection, transaction: Transaction[T]) -> T:
    await connection.execute("begin")
    result = await transaction(connection)
    try:
        await connection.execute("commit")
    except AWAY_ERRORS as error:
        raise OutcomeUnknown(f"{type(error).__name__}: {error}") from error
    return result


async def _roll_back(connection: Connection) -> None:
    try:
        await connection.execute("rollback")
    except BaseException:
        connection.terminate()
        raise


@asynccontextmanager
async def open_pool(
    url: str, size: int, failed: Callable[[], None] = lambda: None
) -> AsyncIterator[Pool]:
    """A pool for the length of the block; `failed` counts failures outside of transactions."""
    async with open_driver_loop(failed) as loop:
        pool = Pool(url, size, loop)
        try:
            yield pool
        finally:
            pool.close()
