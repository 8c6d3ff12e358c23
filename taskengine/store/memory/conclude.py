"""The ends of jobs in memory: the controller's last lines and the job callback."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from taskengine.model import JobEnd, JobState, LogLine, TaskState
from taskengine.store.completion import NO_EXTRAS, Extras, extras_of, failure_of, last_words
from taskengine.store.memory.lines import add_line
from taskengine.store.memory.outbox import call_end
from taskengine.store.memory.rows import StoredJob, opened
from taskengine.store.memory.tables import Tables
from taskengine.store.overview import hour_of


def conclude_job(
    tables: Tables,
    job_id: int,
    last: int,
    at: datetime,
    now: datetime,
    *,
    terse: bool = False,
    stalled: bool = False,
) -> list[int]:
    """End a job if all its tasks are over, its last words under the id of its last task; the
    answer holds its id then."""
    row = tables.jobs[job_id]
    if row.open_tasks > 0:
        return []
    row.band = None
    if row.job.state.is_final:
        return [row.job.id]
    seconds = (at - row.job.updated_at).total_seconds()
    end = JobEnd(row.job.id, row.job.client, row.job.workflow, row.job.failed, seconds)
    tables.job_ends.append(end)
    row.job = replace(row.job, state=JobState.COMPLETED, updated_at=now)
    tables.ends[hour_of(now), row.job.client, row.job.failed] += 1
    first = _first_failure(tables, row.job.id)
    failure = failure_of(row.job.failed, first, stalled=stalled)
    called = bool(row.submission.urls)
    texts, problems = _extras(tables, row) if called and not terse else NO_EXTRAS
    for severity, message in last_words(failure, problems, terse=called and terse):
        add_line(tables, LogLine(row.job.id, "controller", message, at, last, severity))
    if terse:
        texts = {"custom_data": "null"}
    call_end(tables, row, last, failure, at, texts)
    return [row.job.id]


def _first_failure(tables: Tables, job_id: int) -> tuple[str, str | None] | None:
    tasks = (row.task for row in tables.tasks_of(job_id))
    failed = (task for task in tasks if task.state is TaskState.FAILED)
    return next(((task.name, task.error) for task in failed), None)


def _extras(tables: Tables, row: StoredJob) -> Extras:
    """What the job's workflow adds to its callback."""
    callback = (row.content or {}).get("callback", {})
    if not callback:
        return NO_EXTRAS
    tasks = [task.task for task in tables.tasks_of(row.job.id)]
    results = {task.name: task.result or {} for task in tasks}
    one = row.submission
    return extras_of(row.job, callback, opened(one.parameters), results, one.client_scope)
