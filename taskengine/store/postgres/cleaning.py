"""Clean-up: old jobs go with all that belongs to them (decision A12)."""

from __future__ import annotations

from datetime import UTC, datetime

from taskengine.store import Cleared, OldJob
from taskengine.store.completion import MAX_CHILDREN
from taskengine.store.postgres.clients import forget_removed
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.counting import Tally
from taskengine.store.postgres.rows import SQL

MAX_ROWS = 50_000  # rows in one transaction, those included in which long texts are kept apart
MAX_TOGETHER = 10  # jobs that are weighed at once
FIRST: OldJob = (datetime.min.replace(tzinfo=UTC), 0)
MANY = ("callbacks", "events", "logs", "results")
PARTS = ("tasks", "callbacks", "events", "lanes", "results", "job_data", "logs", "edges", "jobs")


async def clear_old_jobs(
    connection: Connection, before: datetime, limit: int, after: OldJob | None, writer: int
) -> Cleared:
    """See Store.clear_old_jobs. What spares a job is read after its lock (rule 1)."""
    await connection.execute(SQL["plan_by_indexes"])
    looked_at = await connection.fetch(SQL["old_jobs"], before, limit, *(after or FIRST))
    locked = [row["id"] for row in looked_at]
    still_old = await connection.fetch(SQL["still_old"], locked, MAX_CHILDREN)
    rows = {row["id"]: row for row in still_old}
    ids, weight = await _few_enough(connection, sorted(rows))
    if weight > MAX_ROWS:
        await _shrink(connection, ids)
        return Cleared(0, after or FIRST)
    for part in PARTS if ids else ():
        await connection.execute(SQL[f"clear_{part}"], ids)
    tally = Tally()
    for job_id in ids:
        row = rows[job_id]
        tally.jobs[row["client"], row["state"], row["failed"]] -= 1
    await tally.write(connection, writer)
    if len(ids) < len(rows):  # the others are looked at again
        return Cleared(len(ids), after or FIRST)
    last = looked_at[-1] if len(looked_at) == limit else None
    return Cleared(len(ids), last and (last["updated_at"], last["id"]))


async def tidy(connection: Connection) -> None:
    """See Store.tidy."""
    await connection.execute(SQL["fold_orphaned_counters"])
    await connection.execute(SQL["clear_counters"])
    await connection.execute(SQL["clear_ends"])
    locked = [row["digest"] for row in await connection.fetch(SQL["lock_definitions"])]
    if locked:  # a job may have come before the lock (rule 1)
        await connection.execute(SQL["clear_definitions"], locked)
    await forget_removed(connection)


async def _few_enough(connection: Connection, ids: list[int]) -> tuple[list[int], int]:
    """The first of these jobs, by id, that can go in one short transaction, or one that is too
    heavy; and what they weigh."""
    few: list[int] = []
    total = 0
    for start in range(0, len(ids), MAX_TOGETHER):
        group = ids[start : start + MAX_TOGETHER]
        for row in await connection.fetch(SQL["weigh_jobs"], group, MAX_ROWS):
            if few and total + row["n"] > MAX_ROWS:
                return few, total
            few.append(row["job_id"])
            total += row["n"]
    return few, total


async def _shrink(connection: Connection, ids: list[int]) -> None:
    """Remove some of what a job has most of: the next steps remove more, and at last the job."""
    for part in MANY:
        await connection.execute(SQL[f"clear_some_{part}"], ids, MAX_ROWS // len(MANY))
