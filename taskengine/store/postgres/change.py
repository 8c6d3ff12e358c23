"""Updates of jobs (decision A19)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any

from taskengine.jobs.changes import CHANGED, asked_anew, changed
from taskengine.model import Job, JobState, NotFound, Severity
from taskengine.store import Changed, Lines
from taskengine.store.completion import STOPPED
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.counting import Tally
from taskengine.store.postgres.edges import queue_cascades
from taskengine.store.postgres.lines import add_lines
from taskengine.store.postgres.outbox import OutboxEvent, end_call, put_calls
from taskengine.store.postgres.rows import SQL, Line, job_of, lines_of

_changed_values = attrgetter(*CHANGED)


@dataclass(slots=True)
class Effects:
    """What changes of jobs leave to be written at the end of their transaction: lines, callbacks,
    and counters, which come last in the order of locks."""

    lines: list[Line] = field(default_factory=list)
    calls: list[OutboxEvent] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def add(self, other: Effects) -> None:
        self.lines += other.lines
        self.calls += other.calls
        self.tally.jobs.update(other.tally.jobs)
        self.tally.tasks.update(other.tally.tasks)
        self.tally.cascades += other.tally.cascades

    async def write(self, connection: Connection, writer: int, now: datetime) -> None:
        await add_lines(connection, self.lines, now)
        await put_calls(connection, self.calls)
        await self.tally.write(connection, writer)


async def change(
    connection: Connection,
    job_id: int,
    changes: Mapping[str, object],
    lines: Lines,
    now: datetime,
    writer: int,
) -> Changed:
    """See Store.change."""
    effects = Effects()
    after = await change_with(connection, job_id, changes, lines, now, effects)
    await effects.write(connection, writer, now)
    return Changed(after, called=bool(effects.calls))


async def change_with(
    connection: Connection,
    job_id: int,
    changes: Mapping[str, object],
    lines: Lines,
    now: datetime,
    effects: Effects,
) -> Job:
    """The job after a change, of which `effects` are still to be written."""
    row = await lock_job(connection, job_id)
    before = job_of(row)
    after = changed(before, changes, waits=row["open_edges"] > 0, now=now)
    effects.lines += lines_of(job_id, lines, now)
    await _write(connection, after)
    if before.state is JobState.PAUSED and "queue_state" in changes:  # it is not merely set aside
        await connection.execute(SQL["let_go"], [job_id])
    if asked_anew(before, after):
        same = after.semaphore_url == before.semaphore_url
        await connection.execute(SQL["ask_anew"], job_id, same)
    if after.state is not before.state:
        effects.tally.moved(row, before.state, after.state)
    if after.state is JobState.BROKEN:
        await stop(connection, row, after, now, effects)
        await queue_cascades(connection, [job_id], effects.tally)
    elif after.state is JobState.PAUSED and before.state is JobState.STARTED:
        await connection.execute(SQL["hold_tasks"], job_id)
        await connection.execute(SQL["free_slot"], job_id)
    if after.priority != before.priority:
        await connection.execute(SQL["reorder_tasks"], job_id, after.priority)
    return after


async def lock_job(connection: Connection, job_id: int) -> Any:
    row = await connection.fetchrow(SQL["lock_job"], job_id)
    if row is None:
        raise NotFound(f"there is no job {job_id}")
    return row


async def _write(connection: Connection, job: Job) -> None:
    await connection.execute(SQL["change_job"], job.id, *_changed_values(job))


async def stop(connection: Connection, row: Any, job: Job, now: datetime, effects: Effects) -> None:
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
        effects.calls.append(end_call(job, last, now, STOPPED))
    effects.lines.append(Line(job.id, last, int(Severity.WARN), "controller", STOPPED, now))
