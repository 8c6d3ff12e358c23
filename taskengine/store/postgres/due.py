"""Due jobs: queued as soon as their time has come."""

from __future__ import annotations

from datetime import datetime

from taskengine.model import JobState
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.counting import Tally
from taskengine.store.postgres.rows import SQL


async def queue_due(
    connection: Connection, now: datetime, writer: int
) -> tuple[int, datetime | None]:
    """See Store.queue_due."""
    await connection.execute(SQL["plan_by_indexes"])
    rows = await connection.fetch(SQL["queue_due"], now)
    tally = Tally()
    for row in rows:
        tally.moved(row, JobState.SCHEDULED, JobState.QUEUED)
    next_due = await connection.fetchval(SQL["next_due"])
    await tally.write(connection, writer)
    return len(rows), next_due
