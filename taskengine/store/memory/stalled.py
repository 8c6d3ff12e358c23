"""Jobs in memory that hold a slot, though no task of theirs is queued or at work: they fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from taskengine.model import Ended, JobState, Outcome, Recorded, TaskState
from taskengine.store.completion import STALLED
from taskengine.store.memory.conclude import conclude_job
from taskengine.store.memory.edges import settle_edges
from taskengine.store.memory.record import cancel_rest, end_task
from taskengine.store.memory.rows import StoredJob, TaskRow
from taskengine.store.memory.tables import Tables

AT_WORK = (TaskState.QUEUED, TaskState.WORKING)


def sweep_jobs(tables: Tables, after: int, now: datetime) -> tuple[Recorded, int | None]:
    """See Store.sweep_jobs."""
    ended: list[int] = []
    for row in tables.jobs.values():
        holds = row.job.state is JobState.STARTED or row.band is not None
        tasks = tables.tasks_of(row.job.id)
        at_work = any(one.task.state in AT_WORK for one in tasks)
        if holds and row.job.id > after and not at_work:
            ended += _end_stalled(tables, row, tasks, now)
    waited = settle_edges(tables, ended, now)
    return Recorded(ended_jobs=tuple(ended), called=bool(ended), waited=waited), None


def _end_stalled(
    tables: Tables, row: StoredJob, tasks: Sequence[TaskRow], now: datetime
) -> list[int]:
    left = [one for one in tasks if one.task.state is TaskState.WAITING]
    row.open_tasks = len(left)
    if left and row.wanted:
        end = Ended(left[0].fence, now, Outcome.FAILED, error=STALLED)
        return end_task(tables, left[0], end, now)
    failed = row.job.failed or row.job.state is JobState.STARTED
    cancel_rest(tables, row, now)
    row.job = replace(row.job, failed=failed)
    last = tasks[-1].task.id if tasks else 0
    return conclude_job(tables, row.job.id, last, now, now, stalled=True)
