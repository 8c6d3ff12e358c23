"""Updates and gates in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import trio

from taskengine.jobs.changes import asked_anew, changed
from taskengine.model import JobState, LogLine, NotFound, Severity, TaskState
from taskengine.store import Changed, Gate, GateAnswer, Lines
from taskengine.store.completion import STOPPED
from taskengine.store.memory.outbox import few_for_each_host
from taskengine.store.memory.rows import StoredJob
from taskengine.store.memory.work import Work


class MemoryChanges(Work):
    """What clients do to jobs that they have submitted, and what gates say to them."""

    async def change(
        self, job_id: int, changes: Mapping[str, object], lines: Lines, now: datetime
    ) -> Changed:
        await trio.lowlevel.checkpoint()
        return self._change(job_id, changes, lines, now)

    def _change(
        self, job_id: int, changes: Mapping[str, object], lines: Lines, now: datetime
    ) -> Changed:
        row = self._known(job_id)
        before = row.job
        waits = bool(self._open_edges(child=job_id))
        row.job = changed(before, changes, waits=waits, now=now)
        if asked_anew(before, row.job):
            row.gate_due_at, row.gate_failures = None, 0
            same = row.job.semaphore_url == before.semaphore_url
            row.gate_answer = row.gate_answer if same else None
        self._tell(job_id, lines, now)
        if row.job.state is JobState.BROKEN:
            self._stop(row, now)
            self._queue_cascades([job_id])
        elif row.job.state is JobState.PAUSED and before.state is JobState.STARTED:
            self._hold(row)
        return Changed(row.job, called=row.job.state is JobState.BROKEN)

    def _known(self, job_id: int) -> StoredJob:
        if job_id not in self._jobs:
            raise NotFound(f"there is no job {job_id}")
        return self._jobs[job_id]

    def _tell(self, job_id: int, lines: Lines, now: datetime) -> None:
        for severity, progname, message in lines:
            self._log(LogLine(job_id, progname, message, now, severity=severity))
        self._keep_short(job_id, now)

    def _stop(self, row: StoredJob, now: datetime) -> None:
        """Cancel what has not started; what works keeps the slot until it has ended."""
        tasks = self._tasks_of(row.job.id)
        for task in tasks:
            if task.task.state in (TaskState.WAITING, TaskState.QUEUED):
                task.task = replace(task.task, state=TaskState.CANCELLED, ended_at=now)
                row.open_tasks -= 1
        if row.open_tasks == 0:
            row.band = None
        last = tasks[-1].task.id if tasks else 0
        line = LogLine(row.job.id, "controller", STOPPED, now, last, Severity.WARN)
        self._log(line)
        if tasks:
            self._call_end(row, last, STOPPED, now)

    def _hold(self, row: StoredJob) -> None:
        """A task that waits for nothing is held: it is queued when its job is admitted again."""
        row.band = None
        for task in self._tasks_of(row.job.id):
            if task.task.state is TaskState.QUEUED:
                task.task = replace(task.task, state=TaskState.WAITING)

    # Gates

    async def claim_gates(
        self, limit: int, busy_hosts: Collection[str], now: datetime, lease: timedelta
    ) -> tuple[Sequence[Gate], datetime | None]:
        await trio.lowlevel.checkpoint()
        shut = [
            (row.gate_due_at or row.job.run_at, row.job.id)
            for row in self._jobs.values()
            if self._queues_due
            and row.job.state is JobState.SCHEDULED
            and row.job.semaphore_url is not None
            and not row.job.gate_open
        ]
        due = sorted(one for one in shut if one[0] <= now and self._jobs[one[1]].job.run_at <= now)
        waiting = [self._jobs[job_id] for _, job_id in due]
        taken = few_for_each_host(waiting, lambda row: row.job.semaphore_url or "", busy_hosts)[
            :limit
        ]
        for row in taken:
            row.gate_due_at = now + lease
        gates = [
            Gate(row.job.id, row.job.semaphore_url or "", row.gate_failures, row.gate_answer)
            for row in taken
        ]
        later = [max(time, self._jobs[job_id].job.run_at) for time, job_id in shut if time > now]
        later += [row.gate_due_at for row in taken if row.gate_due_at is not None]
        return gates, min(later, default=None)

    async def answer_gates(self, answers: Sequence[GateAnswer]) -> int:
        await trio.lowlevel.checkpoint()
        return sum(self._answer(one) for one in answers)

    def _answer(self, one: GateAnswer) -> bool:
        row = self._jobs.get(one.gate.job_id)
        if row is None or row.job.state is not JobState.SCHEDULED:
            return False
        if row.job.semaphore_url != one.gate.url or row.job.run_at > one.at:
            return False  # the job has changed since
        is_open = one.due_at is None
        if is_open:
            row.job = replace(row.job, state=JobState.QUEUED, gate_open=True, updated_at=one.at)
        else:
            row.gate_failures, row.gate_due_at = row.gate_failures + 1, one.due_at
        row.gate_answer = one.answer
        if one.answer != one.gate.answer:
            told = f"The gate {'is open' if is_open else 'is closed'}: {one.answer}"
            self._log(LogLine(row.job.id, "scheduler", told, one.at))
            self._keep_short(row.job.id, one.at)
        return is_open
