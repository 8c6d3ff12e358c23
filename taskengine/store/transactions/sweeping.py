"""A sweep of what waits for jobs that are over already (rule 12).

No transaction of the engine leaves such an edge. A hand in the database does, and a job that waits
for it would wait for ever.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from taskengine.jobs.changes import OVER
from taskengine.model import JobState
from taskengine.store.connections import Connection
from taskengine.store.transactions.counting import Tally
from taskengine.store.transactions.edges import COMPLETES, ENDS, break_children, close_edges
from taskengine.store.transactions.lines import put_lines
from taskengine.store.transactions.outbox import Call, put_calls
from taskengine.store.transactions.rows import SQL

PAGE = 10_000  # parents that are looked at in one transaction


async def sweep_edges(
    connection: Connection, after: int, now: datetime, writer: int
) -> tuple[int, int | None]:
    """See Store.sweep_edges."""
    page = await connection.fetch(SQL["parents_waited_for"], after, PAGE)
    suspects = [row["parent"] for row in page if row["suspect"]]
    settled = await _settle(connection, suspects, now, writer) if suspects else 0
    return settled, page[-1]["parent"] if len(page) == PAGE else None


async def _settle(
    connection: Connection, suspects: Collection[int], now: datetime, writer: int
) -> int:
    """What is still so once the parents are locked: how many of them (rule 1)."""
    rows = {row["id"]: row for row in await connection.fetch(SQL["lock_jobs"], suspects)}
    over = {
        job_id
        for job_id in suspects
        if job_id not in rows or (rows[job_id]["state"] in OVER and not rows[job_id]["open_tasks"])
    }
    done = {
        job_id
        for job_id in over & rows.keys()
        if rows[job_id]["state"] == JobState.COMPLETED and not rows[job_id]["failed"]
    }
    tally = Tally()
    calls: list[Call] = []
    await close_edges(connection, done, COMPLETES, now, tally)
    await close_edges(connection, over, ENDS, now, tally)
    lines = await break_children(connection, over - done, now, tally, calls)
    await put_lines(connection, lines)
    await put_calls(connection, calls)
    await tally.write(connection, writer)
    return len(over)
