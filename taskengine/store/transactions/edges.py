"""Edges between jobs: who waits for whose completion (`depends_on`), or end (a rerun).

A satisfied edge stays satisfied. A parent that fails or breaks breaks those that wait for it, and
those that wait for them.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from taskengine.callbacks import job_body
from taskengine.model import JobDetails, JobState, Severity
from taskengine.store.connections import Connection
from taskengine.store.transactions.counting import Tally
from taskengine.store.transactions.outbox import END, Call
from taskengine.store.transactions.rows import SQL, Line, columns

COMPLETES, ENDS = "completes", "ends"


async def close_edges(
    connection: Connection, parents: Collection[int], kind: str, now: datetime, tally: Tally
) -> bool:
    """The parents did what their children waited for; whether a job was queued or scheduled."""
    if not parents:
        return False
    rows = await connection.fetch(SQL["close_edges"], sorted(parents), kind, now)
    placed = [row for row in rows if row["open_edges"] == 0 and row["state"] in (0, 5)]
    for row in placed:
        tally.moved(row["client"], JobState.PENDING, JobState(row["state"]))
    return bool(placed)


async def break_children(
    connection: Connection,
    parents: Collection[int],
    now: datetime,
    tally: Tally,
    calls: list[Call],
) -> list[Line]:
    """The parents will not complete: break their children, and theirs; gives the log lines."""
    from taskengine.store.transactions.conclude import load_details

    lines: list[Line] = []
    while parents:
        cut = await connection.fetch(SQL["cut_edges"], sorted(parents))
        because = {row["child"]: row["parent"] for row in cut}
        before = {one.job.id: one for one in await load_details(connection, sorted(because))}
        rows = await connection.fetch(SQL["break_jobs"], sorted(because), now)
        parents = [row["id"] for row in rows]
        for child in parents:
            failure = f"it depends on job {because[child]}, which did not complete"
            lines.append(_line(child, failure, now))
            calls.append(_call(before[child], failure, now))
            job = before[child].job
            tally.jobs[job.client, int(job.state), job.failed] -= 1
            tally.jobs[job.client, int(JobState.BROKEN), True] += 1
    return lines


def _line(job_id: int, failure: str, now: datetime) -> Line:
    return (job_id, 0, int(Severity.ERROR), "controller", f"job has failed: {failure}", now)


def _call(details: JobDetails, failure: str, now: datetime) -> Call:
    body = job_body(details.job, details.submitted.get("custom_data"), failure, {})
    return Call(details.job, 0, None, END, now, body=body)


async def add_parents(
    connection: Connection, wanted: dict[int, Collection[int]], now: datetime, tally: Tally
) -> list[Line]:
    """Tie new jobs to their parents, whose rows are locked before they are read (rule 12).

    A parent that was rerun stands for its rerun. One that failed, or is gone, breaks the child.
    """
    parents = sorted({parent for own in wanted.values() for parent in own})
    if not parents:
        return []
    await connection.execute(SQL["lock_parents"], parents)
    states = {row["id"]: row for row in await connection.fetch(SQL["states_of"], parents)}
    edges, lost = [], {}
    for child, own in wanted.items():
        for parent in own:
            row = states.get(parent)
            if row is None or row["failed"] or row["state"] == JobState.BROKEN:
                lost[child] = parent
            elif row["state"] != JobState.COMPLETED:
                edges.append((parent, child, COMPLETES))
    if edges:
        await connection.execute(SQL["add_edges"], *columns(edges, 3))
        await connection.execute(SQL["count_edges"], sorted({child for _, child, _ in edges}))
    return []
