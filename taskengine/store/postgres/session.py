"""A session of the driver that learns the types of PostgreSQL once for the process.

asyncpg asks the server what an array like bigint[] consists of, in each session anew and for each
such type, with two or three statements. After an outage that was most of the work of an engine
whose sessions all begin again. What belongs to PostgreSQL itself never changes.
"""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import asyncpg

FIRST_OWN = 16384  # object ids below it are PostgreSQL's own: FirstNormalObjectId, transam.h
NOTHING_SENT = SimpleNamespace(name="known")  # in place of the statement that would ask

_known: dict[frozenset[int], Any] = {}  # by object ids, the server's answer


class Session(asyncpg.Connection):  # type: ignore[misc]
    """The driver's connection, but for the hook by which it asks."""

    async def _introspect_types(
        self, typeoids: Collection[int], limit: float | None
    ) -> tuple[Any, Any]:
        asked = frozenset(typeoids)
        if asked in _known:
            return _known[asked], NOTHING_SENT
        types, statement = await super()._introspect_types(typeoids, limit)
        if max(asked) < FIRST_OWN:
            _known[asked] = types
        return types, statement


async def is_pooled(connection: asyncpg.Connection) -> bool:
    """Whether it ends at a pooler, whose session is not the one that answers. Such a session is
    shared with others: a statement kept in it under a name may be theirs."""
    pid = connection.get_server_pid()
    told = await connection.execute(f"select where pg_backend_pid() = {pid}")
    return bool(told == "SELECT 0")
