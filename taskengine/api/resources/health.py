"""GET /health: the parts of the engine, and figures over all instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import trio
from quart import Response

from taskengine.api.auth import caller
from taskengine.api.openapi.operation import COUNT, TEXT, Operation, one_of, record
from taskengine.api.responses import reply
from taskengine.api.routes import Route
from taskengine.api.services import Services
from taskengine.counters import QueueCount
from taskengine.model import JobState, JsonObject, StoreUnavailable
from taskengine.policy import SYSTEM, settings_of
from taskengine.store import Totals

QUEUES = ("windows_capture", "scheduler", "work", "controller", "callback")
REQUEST_DEADLINE = 5  # seconds for all
JOB_COUNTS = ("completed", "failed", "pending", "broken", "queued", "started", "scheduled")
SETTINGS = ("max_jobs", "priority_slots")
QUEUE = record("Queue", workers=COUNT, working=COUNT, pending=COUNT)
HEALTH = Operation(
    summary="State of the engine, with figures of all instances",
    tag="status",
    answer=record(
        "Health",
        version=TEXT,
        databases=record(redis=one_of("OK", "unavailable", "disabled"), postgres={"const": "OK"}),
        queues=record(**dict.fromkeys(QUEUES, QUEUE)),
        tasks=record(failed=COUNT, pending=COUNT, processed=COUNT),
        jobs=record(**dict.fromkeys((*JOB_COUNTS, *SETTINGS), COUNT)),
    ),
    errors={500: "The database is not available."},
    store=False,
)


@dataclass(frozen=True, slots=True)
class Health:
    services: Services

    async def health(self) -> Response:
        try:
            with trio.fail_after(REQUEST_DEADLINE):
                await caller(self.services)
                return reply(await self._figures())
        except (StoreUnavailable, trio.TooSlowError):
            return reply({"error": "postgres is unavailable"}, 500)

    async def _figures(self) -> JsonObject:
        totals = await self.services.store.totals()
        settings = settings_of(await self.services.store.settings(SYSTEM))
        redis, counts = await self.services.mirrored()
        return {
            "version": self.services.version,
            "databases": {"redis": redis, "postgres": "OK"},
            "queues": {queue: _queue(counts.get(queue), totals, queue) for queue in QUEUES},
            "tasks": {
                "failed": totals.tasks_failed,
                "pending": sum(totals.queued.values()),
                "processed": totals.tasks_processed,
            },
            "jobs": {
                **_jobs(totals),
                "max_jobs": settings.max_jobs,
                "priority_slots": settings.priority_slots,
            },
        }


def _queue(count: QueueCount | None, totals: Totals, queue: str) -> JsonObject:
    """What waits is mail that no actor took yet, and tasks that no worker claimed yet."""
    count = count or QueueCount()
    pending = count.pending + totals.queued.get(queue, 0)
    return {"workers": count.workers, "working": count.working, "pending": pending}


def _jobs(totals: Totals) -> JsonObject:
    """By state. Failed jobs are among the completed ones, as with `state=2` of GET /jobs."""

    def number(state: JobState) -> int:
        return sum(count for (each, _), count in totals.jobs.items() if each is state)

    return {
        "completed": number(JobState.COMPLETED),
        "failed": totals.jobs.get((JobState.COMPLETED, True), 0),
        "pending": number(JobState.PENDING),
        "broken": number(JobState.BROKEN),
        "queued": number(JobState.QUEUED),
        "started": number(JobState.STARTED),
        "scheduled": number(JobState.SCHEDULED),
    }


def routes(services: Services) -> Sequence[Route]:
    return [Route("GET", "/health", Health(services).health, HEALTH)]
