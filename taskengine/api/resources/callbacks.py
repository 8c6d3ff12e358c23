"""GET /jobs/<id>/callbacks, the delivery log, and POST /callbacks/<id>/replay."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from quart import Response

from taskengine.api.auth import caller, check_owner, find_job, reach
from taskengine.api.openapi.operation import (
    ACCEPTED,
    COUNT,
    HTTP_URL,
    TEXT,
    TIME,
    WHOLE,
    Operation,
    ResponseSpec,
    list_of,
    nullable,
    one_of,
    record,
)
from taskengine.api.responses import array_reply, reply
from taskengine.api.routes import Route, job_number, number_in
from taskengine.api.services import Services
from taskengine.callbacks.bodies import COMPLETE, END, FAIL, START
from taskengine.masking import masked_text
from taskengine.model import CallbackEntry, CallbackState, Client, JsonObject
from taskengine.times import format_time

OTHERS = "The job belongs to another client."
ENTRY = record(
    "Callback",
    id=WHOLE,
    webhook_id=TEXT,
    url=HTTP_URL,
    number={"type": "integer", "minimum": 1},
    event=one_of(START, COMPLETE, FAIL, END),
    task_id=COUNT,
    task_name=nullable(TEXT),
    state=one_of(*(state.value for state in CallbackState)),
    attempts=COUNT,
    status=nullable(WHOLE),
    error=nullable(TEXT),
    created_at=TIME,
    delivered_at=nullable(TIME),
    next_try_at=nullable(TIME),
)
LOG = Operation(
    summary="The callbacks of a job and their deliveries",
    tag="callbacks",
    description="By URL, in the order of delivery. `status` and `error` are those of the last try.",
    answer=ResponseSpec("The callbacks.", list_of(ENTRY)),
    errors={400: "The id is not a number.", 403: OTHERS, 404: "There is no such job."},
)
REPLAY = Operation(
    summary="Send a callback now, or again",
    tag="callbacks",
    description=(
        "Callbacks of a job to a URL stay in order: earlier ones that wait are sent first,"
        " later ones follow. `webhook-id` does not change."
    ),
    answer=ResponseSpec("Accepted: `id` is the id of the callback.", ACCEPTED),
    errors={400: "The id is not a number.", 403: OTHERS, 404: "There is no such callback."},
)


@dataclass(frozen=True, slots=True)
class Callbacks:
    services: Services

    async def log(self, job_id: str) -> Response:
        client = await caller(self.services)
        number = job_number(job_id)
        await find_job(self.services, number, reach(client))
        return await array_reply(self._pages(number), callback_row)

    async def _pages(self, job_id: int) -> AsyncIterator[Sequence[CallbackEntry]]:
        """A job of thousands of tasks with a hundred URLs has millions."""
        after = 0
        while page := await self.services.store.callbacks(job_id, after=after):
            yield page
            after = page[-1].id

    async def replay(self, callback_id: str) -> Response:
        client = await caller(self.services)
        number = number_in(callback_id, "callback")
        await self.send_again(number, client)
        return reply({"id": str(number), "result": "accepted"})

    async def send_again(self, number: int, client: Client) -> None:
        """Send a callback now, or again, for this client. Raises NotFound and Forbidden."""
        store = self.services.store
        check_owner(reach(client), await store.callback_client(number))
        await store.replay(number, self.services.now())
        self.services.changed()


def callback_row(entry: CallbackEntry) -> JsonObject:
    return {
        "id": entry.id,
        "webhook_id": entry.webhook_id,
        "url": masked_text(entry.url),
        "number": entry.number,
        "event": entry.event,
        "task_id": entry.task_id,
        "task_name": entry.task_name,
        "state": entry.state.value,
        "attempts": entry.attempts,
        "status": entry.status,
        "error": entry.error and masked_text(entry.error),
        "created_at": format_time(entry.created_at),
        "delivered_at": entry.delivered_at and format_time(entry.delivered_at),
        "next_try_at": entry.next_try_at and format_time(entry.next_try_at),
    }


def routes(services: Services) -> Sequence[Route]:
    callbacks = Callbacks(services)
    return [
        Route("GET", "/jobs/<job_id>/callbacks", callbacks.log, LOG),
        Route("POST", "/callbacks/<callback_id>/replay", callbacks.replay, REPLAY),
    ]
