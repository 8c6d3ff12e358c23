"""What the driver raises, by what it means for the transaction that met it."""

from __future__ import annotations

import asyncpg

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
