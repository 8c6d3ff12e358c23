"""Clean-up: old jobs go with all that belongs to them (decision A12)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from taskengine.store import Cleared, OldJob
from taskengine.store.connections import Connection
from taskengine.store.transactions.counting import Tally
from taskengine.store.transactions.rows import SQL, Row

MAX_LINES = 50_000  # of logs in one transaction, or a job's own if it has more
MAX_CALLBACKS = 50_000  # the same for them and their lanes
FIRST: OldJob = (datetime.min.replace(tzinfo=UTC), 0)
PARTS = ("tasks", "callbacks", "events", "lanes", "results", "job_data", "logs", "edges", "jobs")


async def clear_old_jobs(
    connection: Connection, before: datetime, limit: int, after: OldJob | None, writer: int
) -> Cleared:
    """See Store.clear_old_jobs. What spares a job is read after its lock (rule 1)."""
    await connection.execute(SQL["plan_by_indexes"])
    looked_at = await connection.fetch(SQL["old_jobs"], before, limit, *(after or FIRST))
    locked = [row["id"] for row in looked_at]
    rows = {row["id"]: row for row in await connection.fetch(SQL["still_old"], locked)}
    ids = await _few_enough(connection, sorted(rows))
    for part in PARTS if ids else ():
        await connection.execute(SQL[f"clear_{part}"], ids)
    tally = Tally()
    for job_id in ids:
        row = rows[job_id]
        tally.jobs[row["client"], row["state"], row["failed"]] -= 1
    await tally.write(connection, writer)
    if after is None:  # once for each clean-up
        await connection.execute(SQL["fold_orphaned_counters"])
    if len(ids) < len(rows):  # the others are looked at again
        return Cleared(len(ids), after or FIRST)
    last = looked_at[-1] if len(looked_at) == limit else None
    return Cleared(len(ids), last and (last["updated_at"], last["id"]))


async def _few_enough(connection: Connection, ids: list[int]) -> list[int]:
    """The first of these jobs, by id, whose lines and callbacks can go in one short transaction."""
    counted = await connection.fetch(SQL["count_callbacks"], ids)
    ids = _up_to(MAX_CALLBACKS, ids, counted)
    counted = await connection.fetch(SQL["count_lines"], ids, MAX_LINES)
    return _up_to(MAX_LINES, ids, counted)


def _up_to(most: int, ids: list[int], counted: Sequence[Row]) -> list[int]:
    """Without those from the job on with which there are that many, unless it is the first."""
    total, numbers = 0, {row["job_id"]: row["n"] for row in counted}
    for place, job_id in enumerate(ids):
        total += numbers.get(job_id, 0)
        if total >= most:
            return ids[: max(place, 1)]
    return ids
