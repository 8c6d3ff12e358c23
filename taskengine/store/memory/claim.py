"""Claims in memory: queued tasks for one instance, under a claim id of its own (rule 4)."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from taskengine.model import Attempt, Documents, Fence, JobState, Task, TaskState
from taskengine.pauses import PauseKind, names_of
from taskengine.store import NOTHING_AHEAD, Ahead, Claimed, Wanted
from taskengine.store.completion import CARRIED, MOST_RESULTS, too_much
from taskengine.store.memory.rows import TaskRow, opened
from taskengine.store.memory.tables import Tables
from taskengine.texts import compact


def claim(
    tables: Tables,
    instance: int,
    queue: str,
    actions: Collection[str],
    limit: int,
    claim_id: uuid.UUID,
    now: datetime,
    ahead: Ahead = NOTHING_AHEAD,
    contested: bool = True,
) -> Claimed:
    """See Store.claim."""
    tables.check_instance(instance)
    tasks = sorted(tables.tasks.values(), key=lambda row: _rank(tables, row))
    peer = tables.peers[instance].name
    free = not tables.is_paused(PauseKind.QUEUE, queue, now)
    free = free and not any(
        tables.is_paused(PauseKind.INSTANCE, name, now) for name in names_of(peer)
    )
    mine = [row for row in tasks if (row.holder, row.claim_id) == (instance, claim_id)]
    ready = [
        row
        for row in tasks
        if free
        and row.task.state is TaskState.QUEUED
        and row.task.queue == queue
        and row.task.action in actions
        and tables.jobs[row.task.job_id].job.state is JobState.STARTED
    ]
    if not mine:
        due = [row for row in ready if row.due_at <= now]
        early = [row for row in due[limit:] if _may_be_early(row.task, ahead)][: ahead.number]
        mine = sorted(due[:limit] + early, key=lambda row: _rank(tables, row))
        for row in mine:
            _take(row, instance, claim_id, now)
            row.ahead = row in early
    later = [row.due_at for row in ready if row.due_at > now and len(mine) < limit]
    return Claimed([_attempt(tables, row) for row in mine], min(later, default=None))


def _rank(tables: Tables, row: TaskRow) -> tuple[int, int]:
    return tables.jobs[row.task.job_id].job.priority, row.task.id


def _may_be_early(task: Task, ahead: Ahead) -> bool:
    return task.attempt == 0 and task.action in ahead.actions


def _take(row: TaskRow, instance: int, claim_id: uuid.UUID, now: datetime) -> None:
    row.task = replace(row.task, state=TaskState.WORKING, attempt=row.task.attempt + 1)
    row.holder, row.claim_id = instance, claim_id
    row.claimed_at = row.claimed_at or now


def _attempt(tables: Tables, row: TaskRow) -> Attempt:
    job = tables.jobs[row.task.job_id]
    wanted = Wanted(results=None if row.task.number else ())
    documents = _documents(tables, row.task.job_id, wanted)
    one = job.submission
    size = sum(
        len(compact(part).encode())
        for part in (job.submitted, opened(one.parameters), one.client_scope)
    )
    if len(documents.results or "") > CARRIED:
        documents = replace(documents, results=None)
    assert row.claimed_at is not None
    return Attempt(
        row.task,
        job.job,
        documents if size <= CARRIED else None,
        one.client_scope,
        tables.options_of(row.task.job_id),
        row.claimed_at,
        len(dict.fromkeys(one.urls)),
        size,
    )


def _documents(tables: Tables, job_id: int, wanted: Wanted) -> Documents:
    one = tables.jobs[job_id].submission
    results = {
        task.task.name: task.task.result
        for task in tables.tasks_of(job_id)
        if task.task.result is not None
        and (wanted.results is None or task.task.name in wanted.results)
    }
    parameters = {
        key: value for key, value in opened(one.parameters).items() if wanted.has(key, value)
    }
    return Documents(compact(parameters), compact(results))


def documents(tables: Tables, job_id: int, wanted: Wanted) -> Documents:
    """See StoreReads.documents."""
    tables.job(job_id)
    found = _documents(tables, job_id, wanted)
    size = len((found.results or "").encode())
    if size > MOST_RESULTS:
        raise too_much(size)
    return found


def current(tables: Tables, instance: int, fence: Fence) -> bool:
    """See Store.current."""
    return tables.fenced(instance, fence) is not None and tables.jobs[fence.job_id].wanted
