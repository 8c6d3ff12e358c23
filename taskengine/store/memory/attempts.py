"""What attempts do, in memory: claims and records, and all that follows from an end."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

import trio

from taskengine.callbacks.bodies import COMPLETE, FAIL, START
from taskengine.model import (
    Attempt,
    Began,
    Documents,
    Ended,
    Fence,
    JobState,
    LogLine,
    NotFound,
    Outcome,
    Progressed,
    Record,
    Recorded,
    Severity,
    Task,
    TaskState,
    Written,
)
from taskengine.store import NOTHING_AHEAD, Ahead, Claimed, Wanted
from taskengine.store.completion import (
    CARRIED,
    MOST_RESULTS,
    confirms,
    final_state,
    is_tried_again,
    settled,
    told_fate,
    too_much,
)
from taskengine.store.memory.conclude import Endings
from taskengine.store.memory.rows import TaskRow, opened
from taskengine.texts import compact


class Attempts(Endings):
    """Claims and records."""

    async def claim(
        self,
        instance: int,
        queue: str,
        actions: Collection[str],
        limit: int,
        claim_id: uuid.UUID,
        now: datetime,
        ahead: Ahead = NOTHING_AHEAD,
        contested: bool = True,
    ) -> Claimed:
        await trio.lowlevel.checkpoint()
        self._check(instance)
        tasks = sorted(self._tasks.values(), key=self._rank)
        mine = [row for row in tasks if (row.holder, row.claim_id) == (instance, claim_id)]
        ready = [
            row
            for row in tasks
            if row.task.state is TaskState.QUEUED
            and row.task.queue == queue
            and row.task.action in actions
            and self._jobs[row.task.job_id].job.state is JobState.STARTED
        ]
        if not mine:
            due = [row for row in ready if row.due_at <= now]
            early = [row for row in due[limit:] if _may_be_early(row.task, ahead)][: ahead.number]
            mine = sorted(due[:limit] + early, key=self._rank)
            for row in mine:
                self._take(row, instance, claim_id, now)
                row.ahead = row in early
        later = [row.due_at for row in ready if row.due_at > now and len(mine) < limit]
        return Claimed([self._attempt(row) for row in mine], min(later, default=None))

    def _rank(self, row: TaskRow) -> tuple[int, int]:
        return self._jobs[row.task.job_id].job.priority, row.task.id

    def _take(self, row: TaskRow, instance: int, claim_id: uuid.UUID, now: datetime) -> None:
        row.task = replace(row.task, state=TaskState.WORKING, attempt=row.task.attempt + 1)
        row.holder, row.claim_id = instance, claim_id
        row.claimed_at = row.claimed_at or now

    def _attempt(self, row: TaskRow) -> Attempt:
        job = self._jobs[row.task.job_id]
        documents = self._documents(
            row.task.job_id, Wanted(results=None if row.task.number else ())
        )
        one = job.submission
        size = sum(
            len(compact(part).encode())
            for part in (job.submitted, opened(one.parameters), one.client_scope)
        )
        comes_along = size <= CARRIED and len(documents.results) <= CARRIED
        assert row.claimed_at is not None
        return Attempt(
            row.task,
            job.job,
            documents if comes_along else None,
            one.client_scope,
            self._options(row.task.job_id),
            row.claimed_at,
            len(dict.fromkeys(one.urls)),
            size,
        )

    def _documents(self, job_id: int, wanted: Wanted) -> Documents:
        one = self._jobs[job_id].submission
        results = {
            task.task.name: task.task.result
            for task in self._tasks_of(job_id)
            if task.task.result is not None
            and (wanted.results is None or task.task.name in wanted.results)
        }
        parameters = {
            key: value for key, value in opened(one.parameters).items() if wanted.has(key, value)
        }
        return Documents(compact(parameters), compact(results))

    async def documents(self, job_id: int, wanted: Wanted) -> Documents:
        await trio.lowlevel.checkpoint()
        if job_id not in self._jobs:
            raise NotFound(f"there is no job {job_id}")
        found = self._documents(job_id, wanted)
        if len(found.results.encode()) > MOST_RESULTS:
            raise too_much(len(found.results.encode()))
        return found

    async def current(self, instance: int, fence: Fence) -> bool:
        await trio.lowlevel.checkpoint()
        return self._fenced(instance, fence) is not None and self._jobs[fence.job_id].wanted

    def _fenced(self, instance: int, fence: Fence) -> TaskRow | None:
        row = self._tasks.get(fence.task_id)
        if row is None or row.holder != instance or row.task.attempt != fence.attempt:
            return None
        return row

    async def record(
        self, instance: int, records: Sequence[Record], now: datetime, *, wait: bool = True
    ) -> Recorded:
        await trio.lowlevel.checkpoint()
        stale: set[Fence] = set()
        ended: list[int] = []
        for record in records:
            row = self._fenced(instance, record.fence)
            if row is None:
                if not self._repeated(record):
                    stale.add(record.fence)
                continue
            match record:
                case Written():
                    self._write(row, record)
                case Progressed():
                    row.task = replace(row.task, progress=record.fraction)
                case Began():
                    self._begin(row, record)
                case Ended():
                    ended += self._end(row, record, now)
        waited = self._settle_edges(ended, now)
        for job_id in {record.fence.job_id for record in records} & self._jobs.keys():
            self._keep_short(job_id, now)
        ends = any(isinstance(record, Ended) for record in records)
        begins = any(isinstance(record, Began) for record in records)
        freed = bool(ended)
        told = ends or begins
        over, self._job_ends = tuple(self._job_ends), []
        return Recorded(frozenset(stale), tuple(ended), ends, freed, told, waited, over)

    def _repeated(self, record: Record) -> bool:
        """An end whose answer was lost: the row shows the same attempt and outcome."""
        row = self._tasks.get(record.fence.task_id)
        return row is not None and isinstance(record, Ended) and confirms(row.task, record)

    def _write(self, row: TaskRow, record: Written) -> None:
        line = LogLine(row.task.job_id, "worker", record.message, record.at)
        self._log(replace(line, task_id=row.task.id, severity=record.severity))

    def _begin(self, row: TaskRow, record: Began) -> None:
        if row.task.started_at is None:
            self._call_task(row.task, START, record.at)
        row.task = replace(row.task, started_at=record.at)

    def _end(
        self, row: TaskRow, record: Ended, now: datetime, *, rescued: bool = False
    ) -> list[int]:
        """All that follows from an end; the answer holds the job's id if it is over."""
        record = settled(row.task, record)
        outcome = record.outcome
        if record.fate and self._jobs[row.task.job_id].wanted:
            self._tell_fate(row.task, record, rescued)
        if is_tried_again(record, wanted=self._jobs[row.task.job_id].wanted):
            failures = row.task.failures + (outcome is Outcome.RETRY)
            rescues = row.task.rescues + (outcome is Outcome.LOST)
            error = record.error or row.task.error
            row.task = replace(row.task, failures=failures, rescues=rescues, error=error)
            self._release(row, record.due_at or record.at)
            return []
        state = final_state(outcome)
        row.task = replace(
            row.task,
            state=state,
            ended_at=record.at,
            result=json.loads(record.result) if record.result else None,
            error=record.error,
            progress=1.0 if state is TaskState.COMPLETED else row.task.progress,
        )
        row.holder, row.claim_id = None, None
        self._ended_tasks[state] += 1
        if state is TaskState.COMPLETED:
            self._call_task(row.task, COMPLETE, record.at, extras=record.extras)
        if state is TaskState.FAILED:
            self._call_task(row.task, FAIL, record.at, record.error or "")
            self._cancel_rest(row.task.job_id, record.at)
        self._let_go_on(row, now)
        return self._finish_job(row.task.job_id, row.task.id, record.at, now, terse=record.terse)

    def _tell_fate(self, task: Task, record: Ended, rescued: bool) -> None:
        again = is_tried_again(record, wanted=True)
        state = self._ready(task.job_id) if again else final_state(record.outcome)
        teller, message = "controller" if rescued else "worker", told_fate(record, state)
        self._log(LogLine(task.job_id, teller, message, record.at, task.id, Severity.WARN))

    def _release(self, row: TaskRow, due_at: datetime) -> None:
        row.task = replace(row.task, state=self._ready(row.task.job_id), progress=0.0)
        row.holder, row.claim_id, row.due_at = None, None, due_at

    def _cancel_rest(self, job_id: int, at: datetime) -> None:
        job = self._jobs[job_id]
        job.job = replace(job.job, failed=True)
        for row in self._tasks_of(job_id):
            if row.task.state in (TaskState.WAITING, TaskState.QUEUED):
                row.task = replace(row.task, state=TaskState.CANCELLED, ended_at=at)
                job.open_tasks -= 1

    def _let_go_on(self, ended: TaskRow, now: datetime) -> None:
        job = self._jobs[ended.task.job_id]
        job.open_tasks -= 1
        if ended.task.state not in (TaskState.COMPLETED, TaskState.SKIPPED):
            return
        for row in self._tasks_of(ended.task.job_id):
            if ended.task.number in row.needs and row.task.state is TaskState.WAITING:
                row.waits_for -= 1
                if row.waits_for == 0:
                    state = self._ready(row.task.job_id)
                    row.task, row.due_at = replace(row.task, state=state), now

    def _ready(self, job_id: int) -> TaskState:
        """The state of a task that could run now: a job that was paused meanwhile holds it."""
        started = self._jobs[job_id].job.state is JobState.STARTED
        return TaskState.QUEUED if started else TaskState.WAITING


def _may_be_early(task: Task, ahead: Ahead) -> bool:
    return task.attempt == 0 and task.action in ahead.actions
