"""Edges between jobs: who waits for whose completion (`depends_on`), or end (a rerun).

A satisfied edge stays satisfied. A parent that fails or breaks breaks those that wait for it, and
those that wait for them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from taskengine.jobs.changes import OVER
from taskengine.model import JobState, Severity
from taskengine.store.connections import Connection
from taskengine.store.transactions.counting import Tally
from taskengine.store.transactions.outbox import Call, end_call
from taskengine.store.transactions.rows import SQL, JobRow, Line, columns, job_of

COMPLETES, ENDS = "completes", "ends"
PLACED = (JobState.QUEUED, JobState.SCHEDULED)


async def settle_edges(
    connection: Connection,
    ended: Sequence[JobRow],
    now: datetime,
    tally: Tally,
    calls: list[Call],
) -> list[Line]:
    """What the ends of jobs mean to those that wait for them; gives the log lines of these.

    `ended` shows the jobs as they were just before their end.
    """
    ids = [job.id for job in ended]
    waited = {row["parent"] for row in await connection.fetch(SQL["waited_for"], ids)}
    if not waited:
        return []
    failed = {job.id for job in ended if job.failed or job.state in OVER} & waited
    await close_edges(connection, waited - failed, COMPLETES, now, tally)
    await close_edges(connection, waited, ENDS, now, tally)
    return await break_children(connection, failed, now, tally, calls)


async def close_edges(
    connection: Connection, parents: Collection[int], kind: str, now: datetime, tally: Tally
) -> None:
    """The parents did what their children waited for."""
    if not parents:
        return
    rows = await connection.fetch(SQL["close_edges"], sorted(parents), kind, now)
    for row in rows:
        if row["open_edges"] == 0 and row["state"] in PLACED:
            tally.moved(row, JobState.PENDING, JobState(row["state"]))


async def break_children(
    connection: Connection,
    parents: Collection[int],
    now: datetime,
    tally: Tally,
    calls: list[Call],
) -> list[Line]:
    """The parents will not complete: break their children, and theirs, each once; gives the log
    lines."""
    lines: list[Line] = []
    while parents:
        because: dict[int, int] = {}
        cut = await connection.fetch(SQL["cut_edges"], sorted(parents))
        for row in sorted(cut, key=lambda edge: edge["parent"]):
            because.setdefault(row["child"], row["parent"])
        locked = await connection.fetch(SQL["lock_jobs"], sorted(because))
        parents = [row["id"] for row in locked if row["state"] not in OVER]
        for row in locked:
            if row["id"] in parents:
                tally.jobs[row["client"], row["state"], row["failed"]] -= 1
                tally.jobs[row["client"], int(JobState.BROKEN), True] += 1
        lines += await break_jobs(connection, {one: because[one] for one in parents}, now, calls)
    return lines


async def break_jobs(
    connection: Connection, because: Mapping[int, int], now: datetime, calls: list[Call]
) -> list[Line]:
    """Break jobs that never started, each for the parent that did not complete."""
    if not because:
        return []
    await connection.execute(SQL["break_jobs"], sorted(because), now)
    lines: list[Line] = []
    for job in map(job_of, await connection.fetch(SQL["jobs_by_id"], sorted(because))):
        failure = f"it depends on job {because[job.id]}, which did not complete"
        told = f"job has failed: {failure}"
        lines.append((job.id, 0, int(Severity.ERROR), "controller", told, now))
        calls.append(end_call(job, 0, now, failure))
    return lines


async def tie(connection: Connection, wanted: Mapping[int, Collection[int]]) -> dict[int, int]:
    """Tie new jobs to the last runs of their parents, whose rows are locked before they are read
    (rule 12).

    Gives the parent that failed or is gone for each job that has one: it is to be broken.
    """
    parents = sorted({parent for own in wanted.values() for parent in own})
    if not parents:
        return {}
    latest = await _locked_runs(connection, parents)
    named = sorted({*parents, *latest.values()})
    states = {row["id"]: row for row in await connection.fetch(SQL["states_of"], named)}
    edges: list[tuple[int, int, str, bool]] = []
    lost: dict[int, int] = {}
    for child, own in wanted.items():
        for parent in dict.fromkeys(latest.get(one, one) for one in own):
            row = states.get(parent)
            if row is None or row["failed"] or row["state"] == JobState.BROKEN:
                lost.setdefault(child, parent)
            done = row is None or row["state"] in OVER
            edges.append((parent, child, COMPLETES, not done))
    await connection.execute(SQL["add_edges"], *columns(edges, 4))
    await connection.execute(SQL["count_edges"], sorted(wanted))
    return lost


async def _locked_runs(connection: Connection, named: Sequence[int]) -> dict[int, int]:
    """The last run of each job, locked such that it is not run again before this commits."""
    locked: set[int] = set()
    while True:
        rows = await connection.fetch(SQL["latest_runs"], named)
        latest: dict[int, int] = {row["named"]: row["id"] for row in rows}
        if locked.issuperset(latest.values()):
            return latest
        locked |= {*latest.values()}
        await connection.execute(SQL["lock_parents"], sorted(latest.values()))
