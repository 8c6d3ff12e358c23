"""What changes, in memory."""

from __future__ import annotations

from collections.abc import Mapping

from taskengine.store import Mark, News
from taskengine.store.memory.tables import Tables
from taskengine.store.types import Change, percent


def read_news(tables: Tables, after: Mark | None, limit: int) -> News:
    """See StoreReads.news. A change is what differs from what was told before."""
    for job_id, row in tables.jobs.items():
        if job_id not in tables.told or tables.told[job_id][1] != row.job:
            tables.told[job_id] = (tables.next_id("change"), row.job)
    here = Mark(tables.last_id("change") + 1)
    if after is None:
        return News((), here)
    new = [
        Change(job, percent(job.state, *tables.progress_of(job.id)), number)
        for number, job in sorted(tables.told.values(), key=lambda one: one[0])
        if (number, job.id) > (after.number, after.job_id) and job.id in tables.jobs
    ][:limit]
    if len(new) < limit:
        return News(new, here)
    return News(new, Mark(new[-1].number, new[-1].job.id), more=True)


def read_progress(tables: Tables) -> Mapping[int, tuple[float, int]]:
    """See StoreReads.progress."""
    at_work = {row.task.job_id for row in tables.tasks.values() if row.holder is not None}
    return {job_id: tables.progress_of(job_id) for job_id in at_work}
