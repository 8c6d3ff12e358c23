"""What the store in PostgreSQL is only asked: clients, jobs, logs, figures."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from taskengine.jobs.explanation import WaitingState
from taskengine.model import (
    CallbackEntry,
    Client,
    Documents,
    Job,
    JobDetails,
    JobState,
    JsonObject,
    JsonText,
    LogLine,
    NotFound,
    Task,
    TaskState,
)
from taskengine.store import JobFilter, Mark, News, Page, Totals, Wanted
from taskengine.store.completion import MOST_RESULTS, too_much
from taskengine.store.postgres import news, outbox
from taskengine.store.postgres.claim import documents_of
from taskengine.store.postgres.details import load_details, load_outline
from taskengine.store.postgres.listing import first_in_queue, list_jobs
from taskengine.store.postgres.rows import client_of, line_of, task_of, visible_from
from taskengine.store.postgres.runner import Runner
from taskengine.store.postgres.waiting import load_waiting_state
from taskengine.store.reads import CALLBACKS, DocumentName

LOG_PAGE = 1_000  # lines
TASK_PAGE = 500  # of a job


@dataclass(slots=True)
class Reads(Runner):
    """See taskengine.store.reads.StoreReads."""

    async def client(self, name: str) -> Client | None:
        rows = await self._fetch("client", name)
        return client_of(rows[0]) if rows else None

    async def clients(self) -> Sequence[Client]:
        return [client_of(row) for row in await self._fetch("clients")]

    async def clients_named(self, names: Collection[str]) -> Sequence[Client]:
        return [client_of(row) for row in await self._fetch("clients_named", sorted(names))]

    async def definition(self, digest: str) -> JsonObject | None:
        rows = await self._fetch("definition", digest)
        return json.loads(rows[0]["content"]) if rows else None

    async def job(self, job_id: int) -> JobDetails | None:
        found = await self._run(partial(load_details, job_ids=[job_id]))
        return found[0] if found else None

    async def documents(self, job_id: int, wanted: Wanted) -> Documents:
        names, results = (
            None if given is None else sorted(given) for given in (wanted.names, wanted.results)
        )
        arguments = (job_id, names, sorted(wanted.hints), results, MOST_RESULTS)
        for row in await self._fetch("documents", *arguments):
            if row["results"] is None:
                raise too_much(row["size"])
            return documents_of(row)
        raise NotFound(f"there is no job {job_id}")

    async def event_body(self, event_id: int) -> bytes:
        for row in await self._fetch("event_body", event_id):
            return bytes(row["body"])
        raise NotFound(f"there is no event {event_id}")

    async def outline(self, job_id: int) -> JobDetails | None:
        return await self._run(partial(load_outline, job_id=job_id))

    async def tasks(self, job_id: int) -> AsyncIterator[Sequence[Task]]:
        last = -1
        while rows := await self._fetch("tasks", job_id, last, TASK_PAGE):
            yield [task_of(row) for row in rows]
            if len(rows) < TASK_PAGE:
                return
            last = rows[-1]["number"]

    async def document(self, job_id: int, name: DocumentName) -> JsonText | None:
        rows = await self._fetch("document", job_id, name)
        return JsonText(rows[0]["text"]) if rows else None

    async def waiting_state(self, job_id: int) -> WaitingState | None:
        return await self._run(partial(load_waiting_state, job_id=job_id))

    async def jobs(self, wanted: JobFilter) -> Page:
        return await self._run(partial(list_jobs, wanted=wanted))

    async def first_in_queue(self, limit: int, client: str | None = None) -> Sequence[Job]:
        arguments = (limit, client)
        return await self._run(lambda one: first_in_queue(one, *arguments), single=True)

    async def log(
        self, job_id: int, *, show_all: bool = False, after: int = 0
    ) -> AsyncIterator[Sequence[LogLine]]:
        last, lowest = after, visible_from(show_all)
        while rows := await self._fetch("log", job_id, last, lowest, LOG_PAGE):
            yield [line_of(row) for row in rows]
            last = rows[-1]["id"]
            if len(rows) < LOG_PAGE:
                return

    async def workspaces_in_use(
        self, job_ids: Collection[int], ended_after: datetime
    ) -> frozenset[int]:
        rows = await self._fetch("workspaces_in_use", list(job_ids), ended_after)
        return frozenset(row["id"] for row in rows)

    async def unserved(self) -> Sequence[tuple[str, str]]:
        return [(row["queue"], row["action"]) for row in await self._fetch("unserved")]

    async def totals(self) -> Totals:
        jobs = await self._fetch("job_totals")
        tasks = {row["state"]: row["n"] for row in await self._fetch("task_totals")}
        queued = await self._fetch("queued_totals")
        return Totals(
            jobs={(JobState(row["state"]), row["failed"]): row["n"] for row in jobs if row["n"]},
            queued={row["queue"]: row["n"] for row in queued},
            tasks_processed=sum(tasks.values()),
            tasks_failed=tasks.get(TaskState.FAILED, 0),
        )

    async def news(self, after: Mark | None, limit: int) -> News:
        return await self._run(partial(news.read_news, after=after, limit=limit), single=True)

    async def progress(self) -> Mapping[int, tuple[float, int]]:
        return await self._run(news.read_progress, single=True)

    async def callbacks_waiting(self) -> int:
        [row] = await self._fetch("callbacks_waiting")
        number: int = row["n"]
        return number

    async def callbacks(
        self, job_id: int, *, after: int = 0, limit: int = CALLBACKS
    ) -> Sequence[CallbackEntry]:
        rows = await self._fetch("callback_log", job_id, after, limit)
        return [outbox.entry_of(row) for row in rows]

    async def callback_client(self, callback_id: int) -> str:
        for row in await self._fetch("callback_client", callback_id):
            return str(row["client"])
        raise NotFound(f"there is no callback {callback_id}")
