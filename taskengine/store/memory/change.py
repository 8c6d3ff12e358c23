"""Updates and reruns of jobs in memory (decisions A19, A20)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from taskengine.jobs.changes import asked_anew, changed
from taskengine.jobs.new_job import check_rerun, rerun_of
from taskengine.model import JobState, LogLine, Severity, Submission, TaskState
from taskengine.store import Changed, Lines
from taskengine.store.completion import STOPPED
from taskengine.store.memory.edges import place, queue_cascades
from taskengine.store.memory.lines import add_line, add_lines
from taskengine.store.memory.outbox import call_end, put_lanes
from taskengine.store.memory.record import cancel_rest
from taskengine.store.memory.rows import ENDS, Edge, StoredJob
from taskengine.store.memory.tables import Tables


def change(
    tables: Tables, job_id: int, changes: Mapping[str, object], lines: Lines, now: datetime
) -> Changed:
    """See Store.change."""
    row = tables.job(job_id)
    before = row.job
    waits = bool(tables.open_edges(child=job_id))
    row.job = changed(before, changes, waits=waits, now=now)
    if asked_anew(before, row.job):
        row.gate_due_at, row.gate_failures = None, 0
        same = row.job.semaphore_url == before.semaphore_url
        row.gate_answer = row.gate_answer if same else None
    add_lines(tables, job_id, lines, now)
    if row.job.state is JobState.BROKEN:
        _stop(tables, row, now)
        queue_cascades(tables, [job_id])
    elif row.job.state is JobState.PAUSED and before.state is JobState.STARTED:
        _hold(tables, row)
    return Changed(row.job, called=row.job.state is JobState.BROKEN)


def rerun(
    tables: Tables, job_id: int, lines: Lines, now: datetime, anew: Submission | None = None
) -> int:
    """See Store.rerun."""
    row = tables.job(job_id)
    if row.rerun_as is not None:
        return row.rerun_as
    check_rerun(row.job)
    before = row.job.state
    row.job = replace(row.job, state=JobState.BROKEN, updated_at=now)
    if not before.is_final:
        _stop(tables, row, now)
    new = _copy(tables, row, anew, now)
    row.rerun_as, row.handed_on = new.job.id, not before.is_final
    queue_cascades(tables, [job_id])  # its edges go to the new one
    add_lines(tables, new.job.id, lines, now)
    return new.job.id


def _stop(tables: Tables, row: StoredJob, now: datetime) -> None:
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


def _copy(tables: Tables, row: StoredJob, anew: Submission | None, now: datetime) -> StoredJob:
    """The same job with the original's edges; it waits for the end of the original's tasks."""
    submission = anew or row.submission
    definition = submission.definition if anew else row.definition
    if anew and definition:
        tables.definitions.setdefault(definition.digest, definition)
    job = replace(rerun_of(row.job, anew, now), id=tables.next_id("job"))
    new = StoredJob(job, submission, definition, rerun_of=row.job.id)
    tables.jobs[job.id] = new
    put_lanes(tables, job.id, submission)
    for edge in [one for one in tables.edges if one.child == row.job.id]:
        tables.edges.append(replace(edge, child=job.id))
    if row.open_tasks > 0:
        tables.edges.append(Edge(row.job.id, job.id, ENDS, open=True))
    place(tables, new, now)
    return new
