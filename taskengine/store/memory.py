"""The store in memory: the executable specification of PostgresStore, and `serve --memory`.

No method awaits between reading and writing, so each is atomic; each begins with a checkpoint,
so that it yields as the real one does.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

import trio

from taskengine.callbacks import COMPLETE, END, FAIL, START, task_body, webhook_id
from taskengine.model import (
    Attempt,
    Began,
    Callback,
    Client,
    Definition,
    Delivery,
    Ended,
    Fence,
    Job,
    JobDetails,
    JobState,
    JsonObject,
    Lane,
    LogLine,
    Outcome,
    Progressed,
    Record,
    Recorded,
    Submission,
    Task,
    TaskState,
    Written,
)
from taskengine.policy import (
    MAX_RESCUES,
    SYSTEM,
    Band,
    Candidate,
    choose,
    initial_state,
    settings_of,
)
from taskengine.store import Beat, Claimed, Dismissed, JobFilter, Totals
from taskengine.store.ending import (
    conclude,
    confirms,
    definitions_line,
    final_state,
    host_of,
    kills_its_hosts,
)

UNFINISHED = (TaskState.WAITING, TaskState.QUEUED, TaskState.WORKING)


@dataclass(slots=True)
class _Job:
    job: Job
    submission: Submission
    definition: Definition | None
    open_tasks: int = 0
    band: Band | None = None  # None: it holds no slot


@dataclass(slots=True)
class _Task:
    task: Task
    waits_for: int
    needs: tuple[int, ...]
    due_at: datetime
    holder: int | None = None
    claim_id: uuid.UUID | None = None
    claimed_at: datetime | None = None  # by its first attempt


@dataclass(slots=True)
class _Lane:
    id: int
    job_id: int
    ordinal: int
    url: str
    waiting: list[Callback] = field(default_factory=list)
    last_number: int = 0
    failures: int = 0
    due_at: datetime | None = None
    holder: int | None = None
    dead: bool = False


class MemoryStore:
    """See taskengine.store.Store."""

    def __init__(self) -> None:
        self._ids: Counter[str] = Counter()
        self._beats: dict[int, int] = {}
        self._clients: dict[str, Client] = {}
        self._settings: dict[str, dict[str, str]] = {}
        self._definitions: dict[str, Definition] = {}
        self._jobs: dict[int, _Job] = {}
        self._requests: dict[uuid.UUID, int] = {}
        self._tasks: dict[int, _Task] = {}
        self._lanes: dict[int, _Lane] = {}
        self._lines: list[LogLine] = []
        self._ended_tasks: Counter[TaskState] = Counter()
        self._listeners: set[trio.MemorySendChannel[str]] = set()

    def _next(self, kind: str) -> int:
        self._ids[kind] += 1
        return self._ids[kind]

    # Instances

    async def join(self, name: str, now: datetime) -> int:
        await trio.lowlevel.checkpoint()
        instance = self._next("instance")
        self._beats[instance] = 0
        return instance

    async def leave(self, instance: int, now: datetime) -> None:
        await trio.lowlevel.checkpoint()
        for row in self._held(instance):
            self._release(row, now)
        self._forget(instance, now)

    async def beat(self, instance: int) -> Beat:
        await trio.lowlevel.checkpoint()
        self._check(instance)
        self._beats[instance] += 1
        held = self._held(instance)
        unwanted = [row for row in held if not self._wanted(row.task.job_id)]
        return Beat(frozenset(map(_fence, held)), frozenset(map(_fence, unwanted)))

    async def beats(self) -> Mapping[int, int]:
        await trio.lowlevel.checkpoint()
        return dict(self._beats)

    async def rescue(self, instance: int, beat: int, now: datetime) -> Recorded | None:
        await trio.lowlevel.checkpoint()
        if self._beats.get(instance) != beat:
            return None
        ended: list[int] = []
        for row in self._held(instance):
            rescues = row.task.rescues + 1
            row.task = replace(row.task, rescues=rescues)
            if rescues > MAX_RESCUES:
                ended += self._end(row, kills_its_hosts(row.task, now), now)
            else:
                self._release(row, now)
        self._forget(instance, now)
        return Recorded(ended_jobs=tuple(ended), woken=True, called=True)

    def _held(self, instance: int) -> list[_Task]:
        return [row for row in self._tasks.values() if row.holder == instance]

    def _wanted(self, job_id: int) -> bool:
        job = self._jobs[job_id].job
        return job.state in (JobState.STARTED, JobState.PAUSED) and not job.failed

    def _release(self, row: _Task, now: datetime) -> None:
        row.task = replace(row.task, state=TaskState.QUEUED, progress=0.0)
        row.holder, row.claim_id, row.due_at = None, None, now

    def _forget(self, instance: int, now: datetime) -> None:
        self._beats.pop(instance, None)
        for lane in self._lanes.values():
            if lane.holder == instance:
                lane.holder, lane.due_at = None, now

    def _check(self, instance: int) -> None:
        if instance not in self._beats:
            raise Dismissed(instance)

    # Clients and settings

    async def client(self, name: str) -> Client | None:
        await trio.lowlevel.checkpoint()
        return self._clients.get(name)

    async def clients(self) -> Sequence[Client]:
        await trio.lowlevel.checkpoint()
        return [self._clients[name] for name in sorted(self._clients)]

    async def put_client(self, client: Client, *, bootstrap: bool = False) -> bool:
        await trio.lowlevel.checkpoint()
        if bootstrap and self._clients:
            return False
        self._clients[client.name] = client
        return True

    async def remove_client(self, name: str) -> bool:
        await trio.lowlevel.checkpoint()
        return self._clients.pop(name, None) is not None

    async def settings(self, client: str) -> Mapping[str, str]:
        await trio.lowlevel.checkpoint()
        return dict(self._settings.get(client, {}))

    async def put_setting(self, client: str, name: str, value: str) -> None:
        await trio.lowlevel.checkpoint()
        self._settings.setdefault(client, {})[name] = value

    # Jobs

    async def submit(self, batch: Sequence[Submission], now: datetime) -> Sequence[int]:
        await trio.lowlevel.checkpoint()
        return [self._requests.get(one.request_id) or self._submit(one, now) for one in batch]

    def _submit(self, one: Submission, now: datetime) -> int:
        state = initial_state(
            refused=one.definition is None, run_at=one.run_at, gate=bool(one.semaphore_url), now=now
        )
        job = Job(
            id=self._next("job"),
            client=one.client,
            workflow=one.workflow,
            state=state,
            failed=state is JobState.BROKEN,
            priority=one.priority,
            position=one.position,
            top_of_queue=one.top_of_queue,
            created_at=now,
            updated_at=now,
            run_at=one.run_at or now,
            content_id=one.content_id,
            semaphore_url=one.semaphore_url,
            persist=one.persist,
            digest=one.definition.digest if one.definition else None,
        )
        self._jobs[job.id] = _Job(job, one, one.definition)
        self._requests[one.request_id] = job.id
        if one.definition is not None:
            self._definitions[one.definition.digest] = one.definition
        for severity, progname, message in one.lines:
            self._log(LogLine(job.id, progname, message, now, severity=severity))
        for ordinal, url in enumerate(dict.fromkeys(one.urls)):
            lane = _Lane(self._next("lane"), job.id, ordinal, url)
            self._lanes[lane.id] = lane
        return job.id

    def _log(self, line: LogLine) -> None:
        self._lines.append(replace(line, id=self._next("line")))

    async def definition(self, digest: str) -> JsonObject | None:
        await trio.lowlevel.checkpoint()
        known = self._definitions.get(digest)
        return known.content if known else None

    async def job(self, job_id: int) -> JobDetails | None:
        await trio.lowlevel.checkpoint()
        return self._details(job_id) if job_id in self._jobs else None

    def _details(self, job_id: int) -> JobDetails:
        row = self._jobs[job_id]
        one = row.submission
        tasks = [task.task for task in self._tasks_of(job_id)]
        return JobDetails(row.job, one.submitted, one.parameters, one.facts, tasks)

    def _tasks_of(self, job_id: int) -> list[_Task]:
        return [row for row in self._tasks.values() if row.task.job_id == job_id]

    async def jobs(self, wanted: JobFilter) -> Sequence[Job]:
        await trio.lowlevel.checkpoint()
        found = [row.job for row in self._jobs.values() if _matches(row.job, wanted)]
        found.sort(key=lambda job: (getattr(job, wanted.order_by), job.id))
        return found[: wanted.limit] if wanted.ascending else found[::-1][: wanted.limit]

    async def log(self, job_id: int, *, show_all: bool = False) -> AsyncIterator[Sequence[LogLine]]:
        await trio.lowlevel.checkpoint()
        lines = [line for line in self._lines if line.job_id == job_id]
        yield [line for line in lines if show_all or line.visible]

    async def unfinished(self, job_ids: Collection[int]) -> frozenset[int]:
        await trio.lowlevel.checkpoint()
        return frozenset(
            job_id for job_id in job_ids if job_id in self._jobs and not _over(self._jobs[job_id])
        )

    async def totals(self) -> Totals:
        await trio.lowlevel.checkpoint()
        tasks = [row.task for row in self._tasks.values() if row.task.state is TaskState.QUEUED]
        return Totals(
            jobs=Counter((row.job.state, row.job.failed) for row in self._jobs.values()),
            queued=Counter(task.queue for task in tasks),
            tasks_processed=self._ended_tasks.total(),
            tasks_failed=self._ended_tasks[TaskState.FAILED],
        )

    # Work

    async def queue_due(self, now: datetime) -> tuple[int, datetime | None]:
        await trio.lowlevel.checkpoint()
        waiting = [
            row
            for row in self._jobs.values()
            if row.job.state is JobState.SCHEDULED and row.job.semaphore_url is None
        ]
        due = [row for row in waiting if row.job.run_at <= now]
        for row in due:
            row.job = replace(row.job, state=JobState.QUEUED, updated_at=now)
        later = [row.job.run_at for row in waiting if row.job.run_at > now]
        return len(due), min(later, default=None)

    async def admit(self, instance: int, now: datetime, limit: int = 500) -> int:
        await trio.lowlevel.checkpoint()
        self._check(instance)
        queued = [row.job for row in self._jobs.values() if row.job.state is JobState.QUEUED]
        candidates = [
            Candidate(
                job.id, job.client, job.top_of_queue, job.priority, job.position, job.created_at
            )
            for job in queued
        ]
        running = Counter(
            (row.job.client, row.band) for row in self._jobs.values() if row.band is not None
        )
        limits = {name: settings_of(own, client=True) for name, own in self._settings.items()}
        system = settings_of(self._settings.get(SYSTEM, {}))
        chosen = choose(candidates, running, system, limits)[:limit]
        for candidate, band in chosen:
            self._start(self._jobs[candidate.id], band, now)
        return len(chosen)

    def _start(self, row: _Job, band: Band, now: datetime) -> None:
        assert row.definition is not None
        row.job = replace(row.job, state=JobState.STARTED, updated_at=now)
        row.band, row.open_tasks = band, len(row.definition.plan)
        for number, planned in enumerate(row.definition.plan):
            state = TaskState.WAITING if planned.needs else TaskState.QUEUED
            task = Task(
                id=self._next("task"),
                job_id=row.job.id,
                number=number,
                name=planned.name,
                action=planned.action,
                queue=planned.queue,
                state=state,
            )
            self._tasks[task.id] = _Task(task, len(planned.needs), planned.needs, now)

    async def claim(
        self,
        instance: int,
        queue: str,
        actions: Collection[str],
        limit: int,
        claim_id: uuid.UUID,
        now: datetime,
    ) -> Claimed:
        await trio.lowlevel.checkpoint()
        self._check(instance)
        mine = [row for row in self._tasks.values() if row.claim_id == claim_id]
        ready = [
            row
            for row in self._tasks.values()
            if row.task.state is TaskState.QUEUED
            and row.task.queue == queue
            and row.task.action in actions
            and self._jobs[row.task.job_id].job.state is JobState.STARTED
        ]
        ready.sort(key=lambda row: (self._jobs[row.task.job_id].job.priority, row.task.id))
        if not mine:
            mine = [row for row in ready if row.due_at <= now][:limit]
            for row in mine:
                self._take(row, instance, claim_id, now)
        later = [row.due_at for row in ready if row.due_at > now]
        return Claimed([self._attempt(row) for row in mine], min(later, default=None))

    def _take(self, row: _Task, instance: int, claim_id: uuid.UUID, now: datetime) -> None:
        row.task = replace(row.task, state=TaskState.WORKING, attempt=row.task.attempt + 1)
        row.holder, row.claim_id = instance, claim_id
        row.claimed_at = row.claimed_at or now

    def _attempt(self, row: _Task) -> Attempt:
        details = self._details(row.task.job_id)
        results = {task.name: task.result for task in details.tasks if task.result is not None}
        client = self._clients.get(details.job.client)
        assert row.claimed_at is not None
        return Attempt(
            row.task,
            details.job,
            details.parameters,
            results,
            details.facts,
            client.options if client else {},
            row.claimed_at,
        )

    async def current(self, instance: int, fence: Fence) -> bool:
        await trio.lowlevel.checkpoint()
        return self._fenced(instance, fence) is not None and self._wanted(fence.job_id)

    def _fenced(self, instance: int, fence: Fence) -> _Task | None:
        row = self._tasks.get(fence.task_id)
        if row is None or row.holder != instance or row.task.attempt != fence.attempt:
            return None
        return row

    async def record(self, instance: int, records: Sequence[Record], now: datetime) -> Recorded:
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
        ends = any(isinstance(record, Ended) for record in records)
        begins = any(isinstance(record, Began) for record in records)
        return Recorded(frozenset(stale), tuple(ended), woken=ends, called=ends or begins)

    def _repeated(self, record: Record) -> bool:
        """An end whose answer was lost: the row shows the same attempt and outcome."""
        row = self._tasks.get(record.fence.task_id)
        return row is not None and isinstance(record, Ended) and confirms(row.task, record)

    def _write(self, row: _Task, record: Written) -> None:
        line = LogLine(row.task.job_id, "worker", record.message, record.at)
        self._log(replace(line, task_id=row.task.id, severity=record.severity))

    def _begin(self, row: _Task, record: Began) -> None:
        row.task = replace(row.task, started_at=record.at)
        if row.task.attempt == 1:
            self._call_task(row.task, START, record.at)

    def _end(self, row: _Task, record: Ended, now: datetime) -> list[int]:
        """All that follows from an end; the answer holds the job's id if it is over."""
        outcome = record.outcome
        if outcome in (Outcome.RETRY, Outcome.RELEASED) and self._wanted(row.task.job_id):
            failures = row.task.failures + (outcome is Outcome.RETRY)
            row.task = replace(row.task, failures=failures, error=record.error or row.task.error)
            self._release(row, record.due_at or now)
            return []
        state = final_state(outcome)
        row.task = replace(
            row.task,
            state=state,
            ended_at=record.at,
            result=record.result or None,
            error=record.error,
            progress=1.0 if state is TaskState.COMPLETED else row.task.progress,
        )
        row.holder = None
        self._ended_tasks[state] += 1
        if state is TaskState.COMPLETED:
            self._call_task(row.task, COMPLETE, record.at)
        if state is TaskState.FAILED:
            self._call_task(row.task, FAIL, record.at, record.error or "")
            self._cancel_rest(row.task.job_id, record.at)
        self._let_go_on(row, now)
        return self._finish_job(row.task, record.at)

    def _cancel_rest(self, job_id: int, at: datetime) -> None:
        job = self._jobs[job_id]
        job.job = replace(job.job, failed=True)
        for row in self._tasks_of(job_id):
            if row.task.state in (TaskState.WAITING, TaskState.QUEUED):
                row.task = replace(row.task, state=TaskState.CANCELLED, ended_at=at)
                job.open_tasks -= 1

    def _let_go_on(self, ended: _Task, now: datetime) -> None:
        job = self._jobs[ended.task.job_id]
        job.open_tasks -= 1
        if ended.task.state not in (TaskState.COMPLETED, TaskState.SKIPPED):
            return
        for row in self._tasks_of(ended.task.job_id):
            if ended.task.number in row.needs and row.task.state is TaskState.WAITING:
                row.waits_for -= 1
                if row.waits_for == 0:
                    row.task, row.due_at = replace(row.task, state=TaskState.QUEUED), now

    def _finish_job(self, last: Task, at: datetime) -> list[int]:
        row = self._jobs[last.job_id]
        if row.open_tasks > 0:
            return []
        row.band = None
        if row.job.state not in (JobState.STARTED, JobState.PAUSED):
            return [row.job.id]
        row.job = replace(row.job, state=JobState.COMPLETED, updated_at=at)
        ending = conclude(
            self._details(row.job.id), _content(row), called=bool(row.submission.urls)
        )
        for severity, message in ending.lines:
            self._log(LogLine(row.job.id, "controller", message, at, last.id, severity))
        self._call(row.job.id, last.id, None, END, ending.body, at)
        return [row.job.id]

    # Callbacks

    def _call_task(self, task: Task, event: str, at: datetime, message: str = "") -> None:
        job = self._jobs[task.job_id].job
        body = task_body(job, task.id, task.name, event, message)
        self._call(job.id, task.id, task.name, event, body, at)

    def _call(
        self,
        job_id: int,
        task_id: int,
        name: str | None,
        event: str,
        body: JsonObject,
        at: datetime,
    ) -> None:
        for lane in self._lanes.values():
            if lane.job_id != job_id or lane.dead:
                continue
            lane.last_number += 1
            key = webhook_id(lane.id, task_id, event)
            number = lane.last_number
            lane.waiting.append(
                Callback(self._next("callback"), key, number, event, task_id, name, body)
            )
            lane.due_at = lane.due_at or at

    async def claim_lanes(
        self, instance: int, limit: int, busy_hosts: Collection[str], now: datetime
    ) -> tuple[Sequence[Lane], datetime | None]:
        await trio.lowlevel.checkpoint()
        self._check(instance)
        free = [lane for lane in self._lanes.values() if lane.holder is None and lane.due_at]
        due = [lane for lane in free if lane.due_at is not None and lane.due_at <= now]
        taken = [lane for lane in due if host_of(lane.url) not in busy_hosts][:limit]
        for lane in taken:
            lane.holder = instance
        later = [lane.due_at for lane in free if lane.due_at is not None and lane.due_at > now]
        return [self._lane(lane) for lane in taken], min(later, default=None)

    def _lane(self, lane: _Lane) -> Lane:
        client = self._clients.get(self._jobs[lane.job_id].job.client)
        options = client.options if client else {}
        return Lane(lane.id, lane.job_id, lane.url, lane.failures, options, lane.waiting[:16])

    async def deliver(self, instance: int, deliveries: Sequence[Delivery]) -> None:
        await trio.lowlevel.checkpoint()
        touched = {}
        for delivery in deliveries:
            lane = self._lanes[delivery.lane_id]
            if lane.holder == instance:
                touched[lane.id] = lane
                self._settle(lane, delivery)
        for lane in touched.values():
            lane.holder = None

    def _settle(self, lane: _Lane, delivery: Delivery) -> None:
        callback = lane.waiting[0]
        if callback.id != delivery.callback_id:
            return
        if callback.attempts == 0 and lane.ordinal == 0:
            message = definitions_line(_content(self._jobs[lane.job_id]))
            self._log(LogLine(lane.job_id, "callback", message, delivery.at, callback.task_id))
        lane.waiting[0] = replace(callback, attempts=callback.attempts + 1)
        if delivery.delivered:
            lane.waiting.pop(0)
            lane.failures, lane.due_at = 0, delivery.at if lane.waiting else None
        else:
            lane.failures, lane.due_at = lane.failures + 1, delivery.due_at
            lane.dead = delivery.due_at is None

    # Wake-ups

    async def announce(self, topics: Collection[str]) -> None:
        await trio.lowlevel.checkpoint()
        for listener in self._listeners:
            for topic in topics:
                with suppress(trio.WouldBlock):
                    listener.send_nowait(topic)

    async def listen(self) -> AsyncIterator[str]:
        send, receive = trio.open_memory_channel[str](64)
        self._listeners.add(send)
        try:
            async for topic in receive:
                yield topic
        finally:
            self._listeners.discard(send)


def _fence(row: _Task) -> Fence:
    return Fence(row.task.job_id, row.task.id, row.task.attempt)


def _content(row: _Job) -> JsonObject | None:
    return row.definition.content if row.definition else None


def _over(row: _Job) -> bool:
    """Whether the job has ended and none of its tasks is still being stopped."""
    return row.job.state in (JobState.COMPLETED, JobState.BROKEN) and row.open_tasks == 0


def _matches(job: Job, wanted: JobFilter) -> bool:
    """The filters of GET /jobs; a refused job shows only where state 4 is asked for (A3)."""
    if wanted.failed is not None and (job.state, job.failed) != (JobState.COMPLETED, wanted.failed):
        return False
    if wanted.states:
        if job.state not in wanted.states:
            return False
    elif job.digest is None and not wanted.job_ids:
        return False
    return (
        (wanted.client is None or job.client == wanted.client)
        and (not wanted.job_ids or job.id in wanted.job_ids)
        and (wanted.since is None or job.created_at >= wanted.since)
        and (wanted.until is None or job.created_at <= wanted.until)
        and (wanted.search is None or _found(job, wanted.search))
    )


def _found(job: Job, search: str) -> bool:
    content_id = (job.content_id or "").lower()
    return search == str(job.id) or content_id.startswith(search.lower())
