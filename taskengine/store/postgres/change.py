"""Updates of jobs (decision A19)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter

from taskengine.jobs.changes import CHANGED, asked_anew, changed
from taskengine.model import Job, JobState, NotFound, Severity
from taskengine.store import Changed, Lines
from taskengine.store.completion import STOPPED
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.counting import Tally
from taskengine.store.postgres.edges import queue_cascades
from taskengine.store.postgres.lines import add_lines
from taskengine.store.postgres.outbox import OutboxEvent, end_call, put_calls
from taskengine.store.postgres.rows import SQL, Line, Row, job_of, lines_of

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
    one = change_of(await lock_job(connection, job_id), changes, now)
    await write_changes(connection, [one], lines, now, effects)
    return one.after


@dataclass(frozen=True, slots=True)
class JobChange:
    """What becomes of a job, whose row is locked."""

    row: Row
    before: Job
    after: Job
    is_resumed: bool  # or stopped: whoever paused it, it is not merely set aside any more


def change_of(row: Row, changes: Mapping[str, object], now: datetime) -> JobChange:
    """Raises BadInput for what the job's state does not allow."""
    before = job_of(row)
    after = changed(before, changes, waits=row["open_edges"] > 0, now=now)
    resumed = before.state is JobState.PAUSED and "queue_state" in changes
    return JobChange(row, before, after, resumed)


async def write_changes(
    connection: Connection,
    several: Sequence[JobChange],
    lines: Lines,
    now: datetime,
    effects: Effects,
) -> None:
    """All of them by few statements, each with the same lines."""
    if not several:
        return
    values = [(one.after.id, *_changed_values(one.after)) for one in several]
    await connection.executemany(SQL["change_job"], values)
    for one in several:
        effects.lines += lines_of(one.after.id, lines, now)
    if resumed := [one.after.id for one in several if one.is_resumed]:
        await connection.execute(SQL["let_go"], resumed)
    await _ask_gates(connection, several)
    await _move(connection, several, now, effects)
    reordered = [one.after for one in several if one.after.priority != one.before.priority]
    if reordered:
        values = [(job.id, job.priority) for job in reordered]
        await connection.executemany(SQL["reorder_tasks"], values)


async def _ask_gates(connection: Connection, several: Sequence[JobChange]) -> None:
    asked = [
        (one.after.id, one.after.semaphore_url == one.before.semaphore_url)
        for one in several
        if asked_anew(one.before, one.after)
    ]
    if asked:
        await connection.executemany(SQL["ask_anew"], asked)


async def _move(
    connection: Connection, several: Sequence[JobChange], now: datetime, effects: Effects
) -> None:
    """What a new state brings: another counter, the ends of tasks, a slot that is free."""
    for one in several:
        before, after = one.before, one.after
        if after.state is not before.state:
            effects.tally.moved(one.row, before.state, after.state)
        if after.state is JobState.BROKEN:
            await stop(connection, one.row, after, now, effects)
            await queue_cascades(connection, [after.id], effects.tally)
        elif after.state is JobState.PAUSED and before.state is JobState.STARTED:
            await connection.execute(SQL["hold_tasks"], after.id)
            await connection.execute(SQL["free_slot"], after.id)


async def lock_job(connection: Connection, job_id: int) -> Row:
    rows = await connection.fetch(SQL["lock_for_change"], [job_id])
    return found_in({row["id"]: row for row in rows}, job_id)


def found_in(rows: Mapping[int, Row], job_id: int) -> Row:
    """Raises NotFound where there is none."""
    if job_id not in rows:
        raise NotFound(f"there is no job {job_id}")
    return rows[job_id]


async def stop(connection: Connection, row: Row, job: Job, now: datetime, effects: Effects) -> None:
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
