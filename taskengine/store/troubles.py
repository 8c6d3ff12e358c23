"""What the driver raises, by what it means, and outages as they are told of."""

from __future__ import annotations

import logging

import asyncpg
import trio

from taskengine.model import StoreUnavailable

logger = logging.getLogger(__name__)

AWAY = (
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
REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


class Outages:
    """Tells of an outage that lasts, and of its end: once for all who meet it."""

    def __init__(self) -> None:
        self._since: float | None = None

    def met(self, outage: StoreUnavailable, *, lasting: bool) -> None:
        if lasting and self._since is None:
            self._since = trio.current_time()
            logger.warning("the database is away, tried again and again: %s", outage)

    def over(self) -> None:
        if self._since is not None:
            seconds = trio.current_time() - self._since
            logger.warning("the database is back, after %.0f s", seconds)
            self._since = None
