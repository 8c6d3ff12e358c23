"""Updates and reruns of jobs (decisions A19, A20)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from operator import attrgetter
from typing import Any

from taskengine.jobs.changes import CHANGED, asked_anew, changed
from taskengine.jobs.new_job import check_rerun, rerun_of
from taskengine.model import Job, JobState, NotFound, Severity
from taskengine.store import Changed, Lines
from taskengine.store.completion import STOPPED
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.counting import Tally
from taskengine.store.postgres.edges import ENDS, queue_cascades
from taskengine.store.postgres.lines import add_lines
from taskengine.store.postgres.outbox import OutboxEvent, end_call, put_calls
from taskengine.store.postgres.rows import SQL, Line, columns, job_of, job_row
from taskengine.store.postgres.submit import (
    PreparedSubmission,
    put_data,
    put_definitions,
    put_jobs,
)

_changed_values = attrgetter(*CHANGED)


async def change(
    connection: Connection,
    job_id: int,
    changes: Mapping[str, object],
    lines: Lines,
    now: datetime,
    writer: int,
) -> Changed:
    """See Store.change."""
    row = await _lock(connection, job_id)
    before = job_of(row)
    after = changed(before, changes, waits=row["open_edges"] > 0, now=now)
    tally = Tally()
    calls: list[OutboxEvent] = []
    written = _lines(job_id, lines, now)
    await _write(connection, after)
    if asked_anew(before, after):
        same = after.semaphore_url == before.semaphore_url
        await connection.execute(SQL["ask_anew"], job_id, same)
    if after.state is not before.state:
        tally.jobs[before.client, int(before.state), before.failed] -= 1
        tally.jobs[after.client, int(after.state), after.failed] += 1
    if after.state is JobState.BROKEN:
        written += await _stop(connection, row, after, now, calls, tally)
        await queue_cascades(connection, [job_id], tally)
    elif after.state is JobState.PAUSED and before.state is JobState.STARTED:
        await connection.execute(SQL["hold_tasks"], job_id)
        await connection.execute(SQL["free_slot"], job_id)
    if after.priority != before.priority:
        await connection.execute(SQL["reorder_tasks"], job_id, after.priority)
    await _finish(connection, written, calls, tally, writer, now)
    return Changed(after, called=bool(calls))


async def rerun(
    connection: Connection,
    job_id: int,
    lines: Lines,
    now: datetime,
    writer: int,
    anew: PreparedSubmission | None,
) -> int:
    """See Store.rerun: it succeeds once; a second rerun answers with the id already made."""
    await _lock_with_parents(connection, job_id)
    row = await _lock(connection, job_id)
    job = job_of(row)
    if row["rerun_as"] is not None:
        again: int = row["rerun_as"]
        return again
    check_rerun(job)
    tally = Tally()
    calls: list[OutboxEvent] = []
    written: list[Line] = []
    after = replace(job, state=JobState.BROKEN)
    tally.jobs[job.client, int(job.state), job.failed] -= 1
    tally.jobs[job.client, int(JobState.BROKEN), job.failed] += 1
    open_tasks = 0
    if not job.state.is_final:
        written += await _stop(connection, row, after, now, calls, tally)
        [left] = await connection.fetch(SQL["open_tasks_of"], job_id)
        open_tasks = left["open_tasks"]
    lanes = row["lanes"] if anew is None else len(anew.lanes)
    again_as = rerun_of(job, anew.one if anew else None, now)
    new = await _copy(connection, job.id, again_as, lanes, waits=open_tasks > 0)
    await _put_data(connection, job.id, new, anew)
    state = await _place(connection, new, now)
    tally.jobs[job.client, int(state), False] += 1
    await connection.execute(SQL["break_for_rerun"], job_id, now, new)
    await queue_cascades(connection, [job_id], tally)  # its edges go to the new one
    written += _lines(new, lines, now)
    await _finish(connection, written, calls, tally, writer, now)
    return new


async def _lock_with_parents(connection: Connection, job_id: int) -> None:
    """Read again after the locks: a parent that was run again meanwhile has handed on its edge."""
    locked: set[int] = set()
    while True:
        rows = await connection.fetch(SQL["lock_with_parents"], job_id)
        if (found := {row["id"] for row in rows}) <= locked:
            return
        locked |= found


async def _lock(connection: Connection, job_id: int) -> Any:
    row = await connection.fetchrow(SQL["lock_job"], job_id)
    if row is None:
        raise NotFound(f"there is no job {job_id}")
    return row


async def _write(connection: Connection, job: Job) -> None:
    await connection.execute(SQL["change_job"], job.id, *_changed_values(job))


async def _stop(
    connection: Connection,
    row: Any,
    job: Job,
    now: datetime,
    calls: list[OutboxEvent],
    tally: Tally,
) -> list[Line]:
    """Cancel what has not started; what works keeps the slot until its holder reports its end.

    An admitted job has its last words now (A27); one that never started sends none.
    """
    cancelled = await connection.fetch(SQL["cancel_rest"], [job.id], [now])
    number = len(cancelled)
    if number:
        await connection.execute(SQL["close_tasks"], [job.id], [number], [False], [0])
    if row["open_tasks"] == number:
        await connection.execute(SQL["free_slot"], job.id)
    last: int = await connection.fetchval(SQL["last_task"], job.id) or 0
    if last and row["lanes"]:
        calls.append(end_call(job, last, now, STOPPED))
    return [Line(job.id, last, int(Severity.WARN), "controller", STOPPED, now)]


async def _copy(connection: Connection, original: int, job: Job, lanes: int, *, waits: bool) -> int:
    """A job with the edges of its original; with `waits` it waits for the end of its tasks."""
    row = job_row(job, uuid.uuid4(), lanes, rerun_of=original)
    [new] = (await put_jobs(connection, [row])).values()
    await connection.execute(SQL["copy_edges"], original, new)
    if waits:
        await connection.execute(SQL["add_edges"], *columns([(original, new, ENDS, True)], 4))
    await connection.execute(SQL["count_edges"], [new])
    return new


async def _put_data(
    connection: Connection, job_id: int, new: int, anew: PreparedSubmission | None
) -> None:
    """The original's parameters and URLs; or another definition, with what it makes of them."""
    if anew is None:
        await connection.execute(SQL["copy_job_data"], job_id, new)
        await connection.execute(SQL["copy_lanes"], job_id, new)
        return
    await put_definitions(connection, [anew.one])
    await put_data(connection, [(new, anew)])


async def _place(connection: Connection, job_id: int, now: datetime) -> JobState:
    [row] = await connection.fetch(SQL["place_jobs"], [job_id], now)
    return JobState(row["state"])


def _lines(job_id: int, lines: Lines, now: datetime) -> list[Line]:
    return [
        Line(job_id, 0, int(severity), progname, message, now)
        for severity, progname, message in lines
    ]


async def _finish(
    connection: Connection,
    lines: list[Line],
    calls: list[OutboxEvent],
    tally: Tally,
    writer: int,
    now: datetime,
) -> None:
    await add_lines(connection, lines, now)
    await put_calls(connection, calls)
    await tally.write(connection, writer)
