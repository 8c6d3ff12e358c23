"""Records of attempts in memory, and all that follows from an end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from taskengine.callbacks.bodies import COMPLETE, FAIL, START
from taskengine.model import (
    Began,
    Ended,
    Fence,
    LogLine,
    Outcome,
    Progressed,
    Record,
    Recorded,
    Severity,
    Task,
    TaskState,
    Written,
)
from taskengine.store.completion import (
    confirms,
    final_state,
    is_tried_again,
    settled,
    told_fate,
)
from taskengine.store.memory.conclude import conclude_job
from taskengine.store.memory.edges import settle_edges
from taskengine.store.memory.lines import add_line, keep_short
from taskengine.store.memory.outbox import call_task
from taskengine.store.memory.rows import StoredJob, TaskRow
from taskengine.store.memory.tables import Tables
from taskengine.workflows.plan import (
    NOT_BEGUN,
    WaitingTask,
    fails_job,
    following,
    meets_needs,
    ready_state,
)


def record(
    tables: Tables,
    instance: int,
    records: Sequence[Record],
    now: datetime,
    *,
    wait: bool = True,
) -> Recorded:
    """See Store.record."""
    stale: set[Fence] = set()
    ended: list[int] = []
    for one in records:
        row = tables.fenced(instance, one.fence)
        if row is not None:
            ended += _take(tables, row, one, now)
        elif not _is_repeated(tables, one):
            stale.add(one.fence)
    waited = settle_edges(tables, ended, now)
    for job_id in {one.fence.job_id for one in records} & tables.jobs.keys():
        keep_short(tables, job_id, now)
    ends = any(isinstance(one, Ended) for one in records)
    begins = any(isinstance(one, Began) for one in records)
    over, tables.job_ends = tuple(tables.job_ends), []
    told = ends or begins
    return Recorded(frozenset(stale), tuple(ended), ends, bool(ended), told, waited, over)


def _is_repeated(tables: Tables, one: Record) -> bool:
    """An end whose answer was lost: the row shows the same attempt and outcome."""
    row = tables.tasks.get(one.fence.task_id)
    return row is not None and isinstance(one, Ended) and confirms(row.task, one)


def _take(tables: Tables, row: TaskRow, one: Record, now: datetime) -> list[int]:
    """Write a record of the attempt that holds a task; the job that is over with it."""
    match one:
        case Written():
            line = LogLine(row.task.job_id, "worker", one.message, one.at)
            add_line(tables, replace(line, task_id=row.task.id, severity=one.severity))
        case Progressed():
            row.task = replace(row.task, progress=one.fraction)
        case Began():
            if row.task.started_at is None:
                call_task(tables, row.task, START, one.at)
            row.task = replace(row.task, started_at=one.at)
        case Ended():
            return end_task(tables, row, one, now)
    return []


def end_task(
    tables: Tables, row: TaskRow, ended: Ended, now: datetime, *, rescued: bool = False
) -> list[int]:
    """All that follows from an attempt's end; the answer holds the job's id if it is over."""
    ended = settled(row.task, ended)
    job = tables.jobs[row.task.job_id]
    if ended.fate and job.wanted:
        _tell_fate(tables, row.task, ended, rescued)
    if is_tried_again(ended, wanted=job.wanted):
        _requeue(tables, row, ended)
        return []
    state = final_state(ended.outcome)
    row.task = replace(
        row.task,
        state=state,
        ended_at=ended.at,
        result=json.loads(ended.result) if ended.result else None,
        error=ended.error,
        progress=1.0 if state is TaskState.COMPLETED else row.task.progress,
    )
    row.holder, row.claim_id = None, None
    tables.ended_tasks[state] += 1
    job.open_tasks -= 1
    if state is TaskState.COMPLETED:
        call_task(tables, row.task, COMPLETE, ended.at, extras=ended.extras)
    if fails_job(state):
        call_task(tables, row.task, FAIL, ended.at, ended.error or "")
        job.job = replace(job.job, failed=True)
        cancel_rest(tables, job, ended.at)
    if meets_needs(state):
        _advance(tables, row.task, now)
    return conclude_job(tables, job.job.id, row.task.id, ended.at, now, terse=ended.terse)


def cancel_rest(tables: Tables, job: StoredJob, at: datetime) -> None:
    """The tasks of a job that have not begun never do."""
    for row in tables.tasks_of(job.job.id):
        if row.task.state in NOT_BEGUN:
            row.task = replace(row.task, state=TaskState.CANCELLED, ended_at=at)
            job.open_tasks -= 1


def _tell_fate(tables: Tables, task: Task, ended: Ended, rescued: bool) -> None:
    again = is_tried_again(ended, wanted=True)
    ready = ready_state(tables.jobs[task.job_id].job.state)
    told = told_fate(ended, ready if again else final_state(ended.outcome))
    teller = "controller" if rescued else "worker"
    add_line(tables, LogLine(task.job_id, teller, told, ended.at, task.id, Severity.WARN))


def _requeue(tables: Tables, row: TaskRow, ended: Ended) -> None:
    row.task = replace(
        row.task,
        state=ready_state(tables.jobs[row.task.job_id].job.state),
        progress=0.0,
        failures=row.task.failures + (ended.outcome is Outcome.RETRY),
        rescues=row.task.rescues + (ended.outcome is Outcome.LOST),
        error=ended.error or row.task.error,
    )
    row.holder, row.claim_id, row.due_at = None, None, ended.due_at or ended.at


def _advance(tables: Tables, ended: Task, now: datetime) -> None:
    """The tasks that waited for this one alone can run."""
    rows = {row.task.id: row for row in tables.tasks_of(ended.job_id)}
    waiting = [
        WaitingTask(row.task.id, row.needs, row.waits_for)
        for row in rows.values()
        if row.task.state is TaskState.WAITING
    ]
    for step in following([ended.number], waiting, tables.jobs[ended.job_id].job.state):
        row = rows[step.id]
        row.task = replace(row.task, state=step.state)
        row.waits_for, row.due_at = step.waits_for, now
