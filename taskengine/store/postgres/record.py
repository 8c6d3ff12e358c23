"""Records of attempts: decided in memory under the locks, then written a statement each."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from taskengine.model import (
    FINAL_STATES,
    Began,
    Ended,
    Fence,
    JobEnd,
    JobState,
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
from taskengine.store.postgres.advance import advance_tasks
from taskengine.store.postgres.conclude import conclude_jobs
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.counting import Tally
from taskengine.store.postgres.lines import keep_short, put_lines
from taskengine.store.postgres.outbox import (
    COMPLETE,
    FAIL,
    START,
    OutboxEvent,
    put_calls,
    task_call,
)
from taskengine.store.postgres.rows import SQL, JobRow, Line, columns, locked_job, task_of
from taskengine.workflows.plan import fails_job, meets_needs, ready_state


async def record(
    connection: Connection,
    instance: int,
    records: Sequence[Record],
    now: datetime,
    batch_id: uuid.UUID,
    wait: bool = True,
) -> Recorded:
    """See Store.record. A batch that is repeated, its answer lost, is not written again."""
    if not wait:
        await connection.execute(SQL["wait_for_no_lock"])
    is_repeated = await _is_repeated(connection, instance, batch_id)
    batch = await lock_batch(connection, [one.fence for one in records], instance)
    if is_repeated:
        return batch.written_before(records)
    stale = {one.fence for one in records if not batch.take(one)}
    return replace(await batch.write(connection, now, instance), stale=frozenset(stale))


async def _is_repeated(connection: Connection, instance: int, batch_id: uuid.UUID) -> bool:
    if await connection.fetchval(SQL["mark_batch"], instance, batch_id):
        return False
    return bool(await connection.fetchval(SQL["is_marked"], instance, batch_id))


async def lock_batch(connection: Connection, fences: Iterable[Fence], instance: int) -> RecordBatch:
    """Lock jobs by id, then tasks by id; what is decided from them is read after the locks."""
    fences = list(fences)
    jobs = await connection.fetch(SQL["lock_jobs"], sorted({one.job_id for one in fences}))
    tasks = await connection.fetch(SQL["lock_tasks"], sorted({one.task_id for one in fences}))
    return RecordBatch(
        instance,
        {row["id"]: locked_job(row) for row in jobs},
        {row["id"]: task_of(row) for row in tasks},
        {row["id"] for row in tasks if row["holder"] == instance},
    )


class RequeuedTask(NamedTuple):
    """As `requeue_tasks` takes it."""

    id: int
    due_at: datetime
    failures: int  # more than it had
    rescues: int
    error: str | None
    state: int
    is_retry: bool


class EndedTask(NamedTuple):
    """As `end_tasks` takes it."""

    id: int
    state: int
    at: datetime
    error: str | None
    started_at: datetime | None


@dataclass(slots=True)
class RecordBatch:
    """What a batch of records changes."""

    instance: int
    jobs: dict[int, JobRow]
    tasks: dict[int, Task]
    held: set[int]  # the tasks that the instance holds, until their end is taken
    lines: list[Line] = field(default_factory=list)
    calls: list[OutboxEvent] = field(default_factory=list)
    begun: dict[int, datetime] = field(default_factory=dict)
    progress: dict[int, float] = field(default_factory=dict)
    requeued: list[RequeuedTask] = field(default_factory=list)
    ended: list[EndedTask] = field(default_factory=list)
    results: list[tuple[int, str, str]] = field(default_factory=list)
    done: list[tuple[int, int]] = field(default_factory=list)  # job, number: what needs it goes on
    failed: dict[int, datetime] = field(default_factory=dict)  # jobs that this batch fails, when
    last: dict[int, Ended] = field(default_factory=dict)  # the last end of each job
    over: dict[int, Ended] = field(default_factory=dict)  # of those whose tasks have all ended

    def take(self, one: Record) -> bool:
        """Accept a record; False if its fence has moved on."""
        task = self.tasks.get(one.fence.task_id)
        if task is None:
            return False
        if task.id not in self.held or task.attempt != one.fence.attempt:
            return isinstance(one, Ended) and confirms(task, one)
        job = self.jobs[task.job_id]
        match one:
            case Written():
                line = Line(job.id, task.id, int(one.severity), "worker", one.message, one.at)
                self.lines.append(line)
            case Progressed():
                self.progress[task.id] = one.fraction
            case Began():
                self.begun[task.id] = one.at
                if task.started_at is None:
                    self._call(job, task, START, one.at)
                self.tasks[task.id] = replace(task, started_at=one.at)
            case Ended():
                self.end(job, task, one)
        return True

    def written_before(self, records: Sequence[Record]) -> Recorded:
        """What became of records that were written, their answer lost: as far as the rows tell it
        now. An attempt that they ended shows their outcome."""
        ends = {one.fence: one for one in records if isinstance(one, Ended)}
        fences = {one.fence for one in records}
        stale = frozenset(one for one in fences if not self._accepted(one, ends.get(one)))
        jobs = {one.job_id for one in ends} & self.jobs.keys()
        over = sorted(one for one in jobs if not self.jobs[one].open_tasks)
        return Recorded(stale, tuple(over), woken=True, scheduled=True, called=True, waited=True)

    def _accepted(self, fence: Fence, end: Ended | None) -> bool:
        task = self.tasks.get(fence.task_id)
        if task is None:
            return False
        if end is not None:
            return confirms(task, end)
        return task.id in self.held and task.attempt == fence.attempt

    def end(self, job: JobRow, task: Task, one: Ended, *, rescued: bool = False) -> None:
        """Accept an attempt's end: the task is queued again, or over."""
        self.held.discard(task.id)
        one = settled(task, one)
        if is_tried_again(one, wanted=job.wanted):
            failures, rescues = one.outcome is Outcome.RETRY, one.outcome is Outcome.LOST
            state = ready_state(JobState(job.state))
            self._set(task, state)
            self._tell_fate(job, one, state, rescued)
            counted = (int(failures), int(rescues), one.error, int(state))
            retry = one.due_at is not None
            self.requeued.append(RequeuedTask(task.id, one.due_at or one.at, *counted, retry))
            return
        state = final_state(one.outcome)
        self._set(task, state)
        self._tell_fate(job, one, state, rescued)
        begun = self.begun.pop(task.id, None)
        self.ended.append(EndedTask(task.id, int(state), one.at, one.error, begun))
        self.last[job.id] = one
        if one.result:
            self.results.append((job.id, task.name, one.result))
        if state is TaskState.COMPLETED:
            self._call(job, task, COMPLETE, one.at, extras=one.extras)
        if fails_job(state):
            self._call(job, task, FAIL, one.at, one.error or "")
            if not job.failed:
                self.failed[job.id] = one.at
            job.failed = True
        if meets_needs(state):
            self.done.append((job.id, task.number))

    def _tell_fate(self, job: JobRow, one: Ended, state: TaskState, rescued: bool) -> None:
        """In the log of the job, unless that is over: then it is no news."""
        if one.fate and job.wanted:
            teller = "controller" if rescued else "worker"
            told = (teller, told_fate(one, state), one.at)
            self.lines.append(Line(job.id, one.fence.task_id, int(Severity.WARN), *told))

    def _set(self, task: Task, state: TaskState) -> None:
        self.tasks[task.id] = replace(task, state=state)

    def _call(
        self,
        job: JobRow,
        task: Task,
        event: str,
        at: datetime,
        message: str = "",
        extras: str = "",
    ) -> None:
        if job.has_lanes and job.state not in FINAL_STATES:
            self.calls.append(task_call(job, task.id, task.name, event, at, message, extras))

    async def write(self, connection: Connection, now: datetime, writer: int) -> Recorded:
        """Write all that was taken, and what follows from it; counters come last."""
        tally = Tally()
        await self._write_tasks(connection)
        # How many tasks of each job end with this batch.
        closed = Counter(self.tasks[row.id].job_id for row in self.ended)
        done = [(id_, n) for id_, n in self.done if self.jobs[id_].open_tasks > closed[id_]]
        woken = await advance_tasks(connection, self.jobs, done, now) or bool(self.requeued)
        lengths = await self._close(connection, now, tally, closed)
        ends = tuple(self._ends())
        over = [self.jobs[job_id] for job_id in sorted(self.over)]
        self.lines += await conclude_jobs(connection, over, self.over, self.calls, now, tally)
        await put_lines(connection, self.lines)
        await keep_short(connection, lengths.items(), now)
        await put_calls(connection, self.calls)
        await tally.write(connection, writer)
        scheduled = tally.adds(JobState.SCHEDULED)
        waited = bool(tally.cascades)
        return Recorded(
            frozenset(), tuple(self.over), woken, scheduled, bool(self.calls), waited, ends
        )

    def _ends(self) -> Iterator[JobEnd]:
        """Of the jobs that end with this batch by themselves."""
        for job_id, last in self.over.items():
            job = self.jobs[job_id]
            if job.state not in FINAL_STATES:
                seconds = (last.at - job.updated_at).total_seconds()
                yield JobEnd(job_id, job.client, job.workflow, job.failed, seconds)

    async def _write_tasks(self, connection: Connection) -> None:
        for name, rows, width in (
            ("begin_tasks", list(self.begun.items()), 2),
            ("progress_tasks", list(self.progress.items()), 2),
            ("requeue_tasks", self.requeued, len(RequeuedTask._fields)),
            ("end_tasks", self.ended, len(EndedTask._fields)),
            ("put_results", self.results, 3),
        ):
            if rows:
                await connection.execute(SQL[name], *columns(rows, width))

    async def _close(
        self, connection: Connection, now: datetime, tally: Tally, closed: Counter[int]
    ) -> dict[int, int]:
        """Count lines and ended tasks in their jobs, which end if none is left; gives the lengths
        of these jobs' logs."""
        tally.tasks.update(TaskState(row.state) for row in self.ended)
        if self.failed:
            failed = columns(sorted(self.failed.items()), 2)
            rows = await connection.fetch(SQL["cancel_rest"], *failed)
            closed.update(row["job_id"] for row in rows)
        for job_id in self.failed:
            job = self.jobs[job_id]
            tally.jobs[job.client, job.state, False] -= 1
            tally.jobs[job.client, job.state, True] += 1
        lines = Counter(line.job_id for line in self.lines)
        ended = sorted(id_ for id_, n in closed.items() if self.jobs[id_].open_tasks == n)
        self.over = {job_id: self.last[job_id] for job_id in ended}
        told = [(id_, closed[id_], id_ in self.failed, lines[id_]) for id_ in closed | lines]
        going = sorted(one for one in told if one[0] not in self.over)
        ending = sorted(one for one in told if one[0] in self.over)
        rows = await connection.fetch(SQL["close_tasks"], *columns(going, 4)) if going else []
        if ending:
            rows += await connection.fetch(SQL["close_jobs"], *columns(ending, 4), now)
        return {row["id"]: row["lines"] for row in rows}
