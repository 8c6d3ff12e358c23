"""GET /schedules: the recurring work that is switched on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quart import Response

from taskengine.api.auth import caller
from taskengine.api.openapi.operation import COUNT, TEXT, Operation, record
from taskengine.api.replies import reply
from taskengine.api.routes import Route
from taskengine.api.services import Services
from taskengine.policy import SYSTEM, settings_of

FIRST_IN = 5  # seconds after the start of an instance
QUEUE_JOBS = "Enqueues scheduled jobs that have a run_at time in the past."

SCHEDULE = record(
    "Schedule",
    **{"class": TEXT},
    every={
        "type": "array",
        "prefixItems": [COUNT, record(first_in=COUNT)],
        "minItems": 2,
        "maxItems": 2,
        "description": "Seconds; and how long after an instance's start for the first time.",
    },
    queue=TEXT,
    description=TEXT,
)
ACTIVE = Operation(
    summary="The schedules that are switched on",
    tag="settings",
    answer=record(
        "Schedules",
        result={"const": "ok"},
        schedules={"type": "object", "additionalProperties": SCHEDULE},
    ),
)


@dataclass(frozen=True, slots=True)
class Schedules:
    services: Services

    async def active(self) -> Response:
        await caller(self.services)
        settings = settings_of(await self.services.store.settings(SYSTEM))
        queue_jobs = {
            "class": "QueueJobs",
            "every": [settings.schedule_interval, {"first_in": FIRST_IN}],
            "queue": "scheduler",
            "description": QUEUE_JOBS,
        }
        return reply({"result": "ok", "schedules": {"queue_scheduled_jobs": queue_jobs}})


def routes(services: Services) -> Sequence[Route]:
    return [Route("GET", "/schedules", Schedules(services).active, ACTIVE)]
