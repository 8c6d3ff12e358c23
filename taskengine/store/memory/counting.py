"""Totals in memory."""

from __future__ import annotations

from collections import Counter

from taskengine.model import TaskState
from taskengine.store import Totals
from taskengine.store.memory.tables import Tables


def totals(tables: Tables) -> Totals:
    """See StoreReads.totals."""
    tasks = [row.task for row in tables.tasks.values() if row.task.state is TaskState.QUEUED]
    return Totals(
        jobs=Counter((row.job.state, row.job.failed) for row in tables.jobs.values()),
        queued=Counter(task.queue for task in tasks),
        tasks_processed=tables.ended_tasks.total(),
        tasks_failed=tables.ended_tasks[TaskState.FAILED],
    )
