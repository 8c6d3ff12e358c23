"""GET /jobs/<id>/explain: why a job does not run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from quart import Response

from taskengine.api.auth import check_owner, only_client
from taskengine.api.openapi.operation import (
    COUNT,
    TEXT,
    TIME,
    WHOLE,
    CallerAccess,
    Operation,
    ResponseSpec,
    list_of,
    nullable,
    one_of,
    record,
)
from taskengine.api.responses import reply
from taskengine.api.routes import Route, job_number, no_job
from taskengine.api.services import Services
from taskengine.jobs.expected_start import expected_start, obstacle, waits
from taskengine.jobs.explanation import BEYOND, REASONS, WaitingState, explanation
from taskengine.model import JobState, JsonObject, TaskState
from taskengine.pauses import PauseKind

MAX_ERRORS = 10  # tasks whose errors are told

SLOTS: JsonObject = {
    "max_jobs": nullable(COUNT),
    "running": COUNT,
    "low": COUNT,
    "high": COUNT,
    "reserved": COUNT,
}
LEVEL = record("Slots", **SLOTS)
RANK: JsonObject = {"anyOf": [{"type": "integer", "minimum": 1}, {"const": BEYOND}]}
FIGURES: JsonObject = {
    "level": one_of("system", "client"),
    **SLOTS,
    "rank": RANK,
    "weight": COUNT,
    "kind": one_of(*PauseKind),
    "name": TEXT,
    "until": nullable(TIME),
    "run_at": TIME,
    "semaphore_url": TEXT,
    "answer": nullable(TEXT),
    "ask_at": nullable(TIME),
    "jobs": list_of(WHOLE),
    "job": WHOLE,
    "working": COUNT,
    "open_tasks": COUNT,
    "task": TEXT,
    "action": TEXT,
    "queue": TEXT,
}
SHARE: JsonObject = {"type": "number", "minimum": 0, "maximum": 1}
REASON = record("Reason", tuple(FIGURES), reason=one_of(*REASONS), message=TEXT, **FIGURES)
EXPECTED_START = record(
    "ExpectedStart",
    at=nullable(TIME),
    ahead=nullable(COUNT),
    message=TEXT,
    forecasts=record(judged=COUNT, right=COUNT, share=nullable(SHARE)),
)
EXPLAIN = Operation(
    summary="Why a job does not run",
    tag="jobs",
    description=(
        "All current reasons, in words and as figures. `rank` is the position of a queued"
        " job among those of all clients. A level without `max_jobs` has no limit. While the"
        " job waits, `expected_start` is when it is expected to start: foretold from the queue"
        " ahead of it and from how long jobs have lasted; and how many of the newest such"
        " forecasts came true, to within ±20 % of the wait. Without `at` nobody can tell, for"
        " the reason in `message`."
    ),
    answer=ResponseSpec(
        "The reasons.",
        record(
            "Explanation",
            id=WHOLE,
            queue_state=one_of(*(state.label for state in JobState)),
            reasons=list_of(REASON),
            rank=nullable(RANK),
            slots=record(system=LEVEL, client=LEVEL),
            expected_start=nullable(EXPECTED_START),
        ),
    ),
    access=CallerAccess.PUBLIC_READ,
    errors={400: "The id is not a number.", 404: "There is no such job."},
)


@dataclass(frozen=True, slots=True)
class Explain:
    services: Services

    async def one(self, job_id: str) -> Response:
        only = await only_client(self.services)
        return reply(await self.explained(job_number(job_id), only))

    async def explained(self, number: int, only: str | None) -> JsonObject:
        """All that keeps a job from running, if it is that client's. Raises NotFound, Forbidden."""
        waiting = await self.services.store.waiting_state(number)
        if waiting is None:
            raise no_job(number)
        check_owner(only, waiting.job.client)
        if waiting.job.failed and waiting.job.state is JobState.COMPLETED:
            waiting = replace(waiting, errors=await self._errors(number))
        told = explanation(waiting, self.services.now())
        return {**told, "expected_start": await self._expected_start(waiting)}

    async def _expected_start(self, waiting: WaitingState) -> JsonObject | None:
        """Where the job is not hindered the queue is read, as far as it has to be."""
        if not waits(waiting):
            return None
        store, now = self.services.store, self.services.now()
        hindered = obstacle(waiting, now)
        view = None if hindered else await store.queue_view(now)
        return expected_start(waiting, hindered, view, await store.forecast_hits())

    async def _errors(self, job_id: int) -> list[tuple[str, str]]:
        store = self.services.store
        failed = await store.some_tasks(job_id, MAX_ERRORS, state=TaskState.FAILED)
        return [(task.name, task.error or "") for task in failed]


def routes(services: Services) -> Sequence[Route]:
    return [Route("GET", "/jobs/<job_id>/explain", Explain(services).one, EXPLAIN)]
