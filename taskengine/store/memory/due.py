"""Due jobs in memory: queued as soon as their time has come."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from taskengine.model import JobState
from taskengine.store.memory.tables import Tables


def queue_due(tables: Tables, now: datetime) -> tuple[int, datetime | None]:
    """See Store.queue_due."""
    waiting = [
        row
        for row in tables.jobs.values()
        if tables.queues_due
        and row.job.state is JobState.SCHEDULED
        and (row.job.semaphore_url is None or row.job.gate_open)
    ]
    due = [row for row in waiting if row.job.run_at <= now]
    for row in due:
        row.job = replace(row.job, state=JobState.QUEUED, updated_at=now)
    later = [row.job.run_at for row in waiting if row.job.run_at > now]
    return len(due), min(later, default=None)
