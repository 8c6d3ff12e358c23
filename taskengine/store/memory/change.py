"""Updates of jobs in memory (decision A19)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from taskengine.jobs.changes import asked_anew, changed
from taskengine.model import JobState, LogLine, Severity, TaskState
from taskengine.store import Changed, Lines
from taskengine.store.completion import STOPPED
from taskengine.store.memory.edges import queue_cascades
from taskengine.store.memory.lines import add_line, add_lines
from taskengine.store.memory.outbox import call_end
from taskengine.store.memory.record import cancel_rest
from taskengine.store.memory.rows import StoredJob
from taskengine.store.memory.tables import Tables


def change(
    tables: Tables, job_id: int, changes: Mapping[str, object], lines: Lines, now: datetime
) -> Changed:
    """See Store.change."""
    row = tables.job(job_id)
    before = row.job
    waits = bool(tables.open_edges(child=job_id))
    row.job = changed(before, changes, waits=waits, now=now)
    if before.state is JobState.PAUSED and "queue_state" in changes:
        row.is_held = False
    if asked_anew(before, row.job):
        row.gate_due_at, row.gate_failures = None, 0
        same = row.job.semaphore_url == before.semaphore_url
        row.gate_answer = row.gate_answer if same else None
    add_lines(tables, job_id, lines, now)
    if row.job.state is JobState.BROKEN:
        stop(tables, row, now)
        queue_cascades(tables, [job_id])
    elif row.job.state is JobState.PAUSED and before.state is JobState.STARTED:
        _hold(tables, row)
    return Changed(row.job, called=row.job.state is JobState.BROKEN)


def stop(tables: Tables, row: StoredJob, now: datetime) -> None:
    """Cancel what has not started; what works keeps the slot until it has ended."""
    cancel_rest(tables, row, now)
    if row.open_tasks == 0:
        row.band = None
    tasks = tables.tasks_of(row.job.id)
    last = tasks[-1].task.id if tasks else 0
    add_line(tables, LogLine(row.job.id, "controller", STOPPED, now, last, Severity.WARN))
    if tasks:
        call_end(tables, row, last, STOPPED, now)


def _hold(tables: Tables, row: StoredJob) -> None:
    """A task that waits for nothing is held: it is queued when its job is admitted again."""
    row.band = None
    for held in tables.tasks_of(row.job.id):
        if held.task.state is TaskState.QUEUED:
            held.task = replace(held.task, state=TaskState.WAITING)
