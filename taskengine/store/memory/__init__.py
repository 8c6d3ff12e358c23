"""The store in memory: the executable specification of PostgresStore, and the store of the tests.

No method awaits between reading and writing, so each is atomic; each begins with a checkpoint,
so that it yields as the real one does.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import trio

from taskengine.model import (
    Client,
    Job,
    JobDetails,
    JobState,
    JsonObject,
    JsonText,
    LogLine,
    Submission,
    Task,
    TaskState,
)
from taskengine.policy import check_number_of_settings, initial_state
from taskengine.store import Mark, News, Totals
from taskengine.store.memory.listing import Listing
from taskengine.store.memory.overview import MemoryOverview
from taskengine.store.memory.rows import StoredJob, check_data
from taskengine.store.memory.schedules import MemorySchedules
from taskengine.store.reads import DocumentName
from taskengine.store.types import Change, percent


class MemoryStore(Listing, MemoryOverview, MemorySchedules):
    """See taskengine.store.Store."""

    # Clients and settings

    async def client(self, name: str) -> Client | None:
        await trio.lowlevel.checkpoint()
        return self._clients.get(name)

    async def clients(self) -> Sequence[Client]:
        await trio.lowlevel.checkpoint()
        return [self._clients[name] for name in sorted(self._clients)]

    async def clients_named(self, names: Collection[str]) -> Sequence[Client]:
        await trio.lowlevel.checkpoint()
        return [self._clients[name] for name in names if name in self._clients]

    async def put_client(
        self, client: Client, *, bootstrap: bool = False, new: bool = False
    ) -> bool:
        await trio.lowlevel.checkpoint()
        if (bootstrap and self._clients) or (new and client.name in self._clients):
            return False
        self._clients[client.name] = client
        return True

    async def remove_client(self, name: str) -> bool:
        await trio.lowlevel.checkpoint()
        self._drop_schedules(name)
        found = self._clients.pop(name, None)
        self._forget_removed()
        return found is not None

    async def settings(self, client: str) -> Mapping[str, str]:
        await trio.lowlevel.checkpoint()
        return dict(self._settings.get(client, {}))

    async def put_setting(self, client: str, name: str, value: str) -> None:
        await trio.lowlevel.checkpoint()
        stored = self._settings.setdefault(client, {})
        check_number_of_settings(name, stored)
        stored[name] = value

    # Jobs

    async def submit(self, batch: Sequence[Submission], now: datetime) -> Sequence[int]:
        await trio.lowlevel.checkpoint()
        for one in batch:
            check_data(one)
        return [self._recorded(one) or self._submit(one, now) for one in batch]

    def _recorded(self, one: Submission) -> int | None:
        key = (one.client, one.idempotency_key or "")
        return self._requests.get(one.request_id) or self._keys.get(key)

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
        self._jobs[job.id] = StoredJob(job, one, one.definition)
        self._requests[one.request_id] = job.id
        if one.idempotency_key:
            self._keys[one.client, one.idempotency_key] = job.id
        if one.definition is not None:
            self._definitions[one.definition.digest] = one.definition
        for severity, progname, message in one.lines:
            self._log(LogLine(job.id, progname, message, now, severity=severity))
        self._put_lanes(job.id, one)
        if one.depends_on and one.definition is not None:
            self._tie(self._jobs[job.id], one.depends_on, now)
        return job.id

    async def definition(self, digest: str) -> JsonObject | None:
        await trio.lowlevel.checkpoint()
        known = self._definitions.get(digest)
        return known.content if known else None

    async def outline(self, job_id: int) -> JobDetails | None:
        details = await self.job(job_id)
        if details is None:
            return None
        return replace(details, submitted={}, parameters={}, client_scope={}, tasks=[])

    async def tasks(self, job_id: int) -> AsyncIterator[Sequence[Task]]:
        if details := await self.job(job_id):
            yield [replace(task, result=None) for task in details.tasks]

    async def document(self, job_id: int, name: DocumentName) -> JsonText | None:
        details = await self.job(job_id)
        if details is None:
            return None
        known = {"submitted": details.submitted, "parameters": details.parameters}
        found = known.get(name, details.client_scope)
        return JsonText(json.dumps(found, ensure_ascii=False, separators=(",", ":")))

    async def job(self, job_id: int) -> JobDetails | None:
        await trio.lowlevel.checkpoint()
        return self._details(job_id) if job_id in self._jobs else None

    async def log(
        self, job_id: int, *, show_all: bool = False, after: int = 0
    ) -> AsyncIterator[Sequence[LogLine]]:
        await trio.lowlevel.checkpoint()
        lines = [line for line in self._lines if line.job_id == job_id and line.id > after]
        yield [line for line in lines if show_all or line.visible]

    async def workspaces_in_use(
        self, job_ids: Collection[int], ended_after: datetime
    ) -> frozenset[int]:
        await trio.lowlevel.checkpoint()
        used = {
            row.job.workspace or row.job.id
            for row in self._jobs.values()
            if not row.over or (row.may_be_retried and row.job.updated_at >= ended_after)
        }
        return frozenset(used.intersection(job_ids))

    async def totals(self) -> Totals:
        await trio.lowlevel.checkpoint()
        tasks = [row.task for row in self._tasks.values() if row.task.state is TaskState.QUEUED]
        return Totals(
            jobs=Counter((row.job.state, row.job.failed) for row in self._jobs.values()),
            queued=Counter(task.queue for task in tasks),
            tasks_processed=self._ended_tasks.total(),
            tasks_failed=self._ended_tasks[TaskState.FAILED],
        )

    async def news(self, after: Mark | None, limit: int) -> News:
        await trio.lowlevel.checkpoint()
        for job_id, row in self._jobs.items():
            if job_id not in self._told or self._told[job_id][1] != row.job:
                self._told[job_id] = (self._next("change"), row.job)
        here = Mark(self._ids["change"] + 1)
        if after is None:
            return News((), here)
        new = [
            Change(job, percent(job.state, *self._done(job.id)), number)
            for number, job in sorted(self._told.values(), key=lambda one: one[0])
            if (number, job.id) > (after.number, after.job_id) and job.id in self._jobs
        ][:limit]
        if len(new) < limit:
            return News(new, here)
        return News(new, Mark(new[-1].number, new[-1].job.id), more=True)

    async def progress(self) -> Mapping[int, tuple[float, int]]:
        await trio.lowlevel.checkpoint()
        at_work = {row.task.job_id for row in self._tasks.values() if row.holder is not None}
        return {job_id: self._done(job_id) for job_id in at_work}

    def _done(self, job_id: int) -> tuple[float, int]:
        tasks = [row.task for row in self._tasks_of(job_id)]
        done = [1.0 if task.state is TaskState.SKIPPED else task.progress for task in tasks]
        return sum(done), len(done)

    # Wake-ups

    async def announce(self, topics: Collection[str]) -> None:
        await trio.lowlevel.checkpoint()
        self._announce(topics)

    async def listen(self) -> AsyncIterator[str]:
        send, receive = trio.open_memory_channel[str](64)
        self._listeners.add(send)
        try:
            async for topic in receive:
                yield topic
        finally:
            self._listeners.discard(send)
