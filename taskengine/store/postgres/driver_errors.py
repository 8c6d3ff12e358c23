"""What the driver raises, by what it means, and outages as they are told of."""

from __future__ import annotations

import logging
import socket
from typing import Any

import asyncpg
import trio

from taskengine.model import Blocked, Interrupted, Misconfigured, StoreUnavailable, TooSlow
from taskengine.server_urls import hosts_of
from taskengine.store.postgres.session import Session

logger = logging.getLogger(__name__)

AWAY_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,  # shutdown, crash, starting up
    asyncpg.InsufficientResourcesError,  # too many connections, disk full, out of memory
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby
    asyncpg.PostgresSystemError,  # its disk fails
    asyncpg.InternalServerError,
)
# What an operator is changing under a running engine: it waits. At the start it is a mistake.
LOCKED_OUT = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)
COLLIDED = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,  # a migration changed what it reads
    # Where deadlock_timeout is no shorter than lock_timeout (both are 1 s on a server of one's
    # own), a deadlock shows as this.
    asyncpg.LockNotAvailableError,
)
# What ends a transaction that is too heavy; a database that goes away may end one like this, too.
CUT = (
    TimeoutError,  # of a command
    asyncpg.ConnectionDoesNotExistError,  # the session was killed, or the message is beyond 1 GB
    asyncpg.InterfaceError,  # it had been killed before
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.OutOfMemoryError,
    asyncpg.InternalServerError,
)
REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


class TransactionCut(Exception):
    """A transaction was ended in its middle, by this error."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


SHORTEST_WAIT = 0.1  # seconds between two tries
ENDED = (Blocked, Interrupted, TooSlow)  # a transaction was, rather than the database


class Outages:
    """Tells of an outage that lasts, and of its end: once for all who meet it, and wakes them."""

    def __init__(self) -> None:
        self._returned = trio.Event()
        self._since: float | None = None
        self._told: set[str] = set()  # an outage may begin with transactions that were ended

    def met(self, outage: StoreUnavailable, *, lasting: bool) -> None:
        told = "ends what it is asked for" if isinstance(outage, ENDED) else "is away"
        if not lasting or told in self._told:
            return
        self._told.add(told)
        self._since = self._since or trio.current_time()
        logger.warning("the database %s, tried again and again: %s", told, outage)

    async def wait(self, seconds: float) -> None:
        """Until somebody finds the database back, or so long. Never shorter than the shortest
        wait: where others are served and the caller is not, the caller must not try without end."""
        returned = self._returned
        await trio.sleep(min(seconds, SHORTEST_WAIT))
        with trio.move_on_after(max(0.0, seconds - SHORTEST_WAIT)):
            await returned.wait()

    def answered(self) -> None:
        """Somebody was: all who wait try again."""
        self._returned.set()
        self._returned = trio.Event()

    def over(self) -> None:
        self.answered()
        if self._since is not None:
            seconds = trio.current_time() - self._since
            logger.warning("the database is back, after %.0f s", seconds)
            self._since = None
            self._told.clear()


async def connected(url: str, **options: Any) -> Any:
    """A connection to the server, in errors that say where it is and show no password."""
    try:
        return await asyncpg.connect(url, connection_class=Session, **options)
    except asyncpg.ClientConfigurationError as error:
        raise Misconfigured(f"database_url: {error}") from None
    except ValueError:  # it would be shown in part
        raise Misconfigured("database_url: the driver cannot read it") from None
    except socket.gaierror as error:
        raise ConnectionError(f"unknown host {hosts_of(url)}: {error.strerror}") from None
