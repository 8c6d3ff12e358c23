"""Clean-up: old jobs go with all that belongs to them (decision A12)."""

from __future__ import annotations

from datetime import UTC, datetime

from taskengine.store import Cleared, OldJob
from taskengine.store.connections import Connection
from taskengine.store.transactions.counting import Tally
from taskengine.store.transactions.rows import SQL

MAX_LINES = 50_000  # of logs in one transaction, or a job's own if it has more
FIRST: OldJob = (datetime.min.replace(tzinfo=UTC), 0)
PARTS = ("tasks", "callbacks", "lanes", "results", "job_data", "logs", "edges", "jobs")


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
    if len(ids) < len(rows):  # the others are looked at again
        return Cleared(len(ids), after or FIRST)
    last = looked_at[-1] if len(looked_at) == limit else None
    return Cleared(len(ids), last and (last["updated_at"], last["id"]))


async def _few_enough(connection: Connection, ids: list[int]) -> list[int]:
    """The first of these jobs, by id, whose log lines can go in one short transaction."""
    counted = await connection.fetch(SQL["count_lines"], ids, MAX_LINES)
    if sum(row["n"] for row in counted) < MAX_LINES:
        return ids
    last = counted[-1]["job_id"]  # perhaps not all of its lines were counted
    return [one for one in ids if one < last] or [last]
