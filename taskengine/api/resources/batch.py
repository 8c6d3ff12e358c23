"""POST /jobs/batch: many submissions, each answered by itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import trio
from quart import Response
from werkzeug.exceptions import HTTPException

from taskengine.api.auth import owner_named
from taskengine.api.batches import MAX_BATCH, TooLarge, split
from taskengine.api.errors import TOO_BUSY
from taskengine.api.heavy import Busy
from taskengine.api.idempotency import HEADER, MAX_KEY, GivenKey, read_key
from taskengine.api.openapi.bodies import SUBMISSION
from taskengine.api.openapi.operation import (
    ACCEPTED,
    NUMBER_AS_TEXT,
    TEXT,
    WHOLE,
    Operation,
    Parameter,
    ResponseSpec,
    list_of,
    record,
)
from taskengine.api.reading import Item
from taskengine.api.readings import SubmissionOrError
from taskengine.api.reception import Patience, Sent, received
from taskengine.api.resources.submissions import Submissions, Verdict
from taskengine.api.responses import reply
from taskengine.api.routes import Route
from taskengine.api.services import Services
from taskengine.api.sizes import BATCH_PATH
from taskengine.jobs.submitting import Submitted, submit_many
from taskengine.model import BadInput, Json, JsonObject, StoreUnavailable, Submission
from taskengine.runtime.mailbox import ActorGone

logger = logging.getLogger(__name__)

REQUEST_DEADLINE = 30  # seconds in which a batch is answered, whatever happens
MAX_TOGETHER = 100  # submissions that wait for the intake at once
MAX_PART_BYTES = 2 << 20  # bytes of them, but for one by itself
LONGEST_KEY = MAX_KEY - len("/9999")
UNAVAILABLE = Verdict(503, {"error": "the database is not available"})
BUSY = Verdict(503, {"error": TOO_BUSY})
Part = Sequence[SubmissionOrError]
JOBS: JsonObject = {"type": "array", "maxItems": MAX_BATCH, "items": SUBMISSION}
BATCH: JsonObject = {
    "title": "Batch",
    "anyOf": [
        JOBS,
        {
            "type": "object",
            "required": ["jobs"],
            "additionalProperties": False,
            "properties": {
                "client": {**TEXT, "description": "The client, if no header names it."},
                "jobs": JOBS,
            },
        },
    ],
}
FAILED = record("NotAccepted", ("id",), id=NUMBER_AS_TEXT, error=TEXT, status=WHOLE)
SUBMIT = Operation(
    summary=f"Submit up to {MAX_BATCH} jobs",
    tag="jobs",
    answer=ResponseSpec(
        "An answer to each submission, in their order. `error` and `status` are those of "
        "a single submission.",
        list_of({"anyOf": [ACCEPTED, FAILED]}),
    ),
    parameters=[
        Parameter(
            HEADER.name,
            "The submission at each position, counted from 0, has the key `<key>/<position>`.",
            {**HEADER.schema, "maxLength": LONGEST_KEY},
            HEADER.place,
        )
    ],
    body=BATCH,
    errors={400: "The body is not a batch, or the key is invalid; nothing is recorded."},
)


@dataclass(frozen=True, slots=True)
class Batches:
    services: Services

    async def submit(self) -> Response:
        self.services.check_open()
        async with received(self.services) as sent:
            key = read_key(LONGEST_KEY)
            if key.problem is not None:
                raise BadInput(key.problem)
            batch = await sent.aside(split, sent.raw)
            with sent.patience.counted():
                client = await owner_named(self.services, sent.client, batch.client)
            verdicts = await self._submit(replace(sent, client=client), batch.items, key)
        return reply([_told(verdict) for verdict in verdicts])

    async def _submit(
        self, sent: Sent, items: Sequence[bytes | BadInput], key: GivenKey
    ) -> Sequence[Verdict]:
        """While a part is recorded, the next one is read."""
        verdicts: list[Verdict] = []
        with trio.move_on_after(REQUEST_DEADLINE):
            send, parts = trio.open_memory_channel[Part](0)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read, sent, items, key, send)
                async for part in parts:
                    verdicts += await self._recorded(part)
        return [*verdicts, *[UNAVAILABLE] * (len(items) - len(verdicts))]

    async def _read(
        self,
        sent: Sent,
        items: Sequence[bytes | BadInput],
        key: GivenKey,
        parts: trio.MemorySendChannel[Part],
    ) -> None:
        """Submissions in their order, a part at a time."""
        with parts:
            for start, some in _parts(items):
                given = [
                    Item(item, key.text and f"{key.text}/{place}")
                    for place, item in enumerate(some, start)
                    if isinstance(item, bytes)
                ]
                prepared = iter(await self._prepared(sent, given))
                await parts.send(
                    [next(prepared) if isinstance(item, bytes) else item for item in some]
                )

    async def _recorded(self, part: Part) -> Sequence[Verdict]:
        """Submit those of a part that can be, in order."""
        wanted = [one for one in part if isinstance(one, Submission)]
        results = iter(await submit_many(self.services.intake, wanted))
        return [
            await self._answer(next(results)) if isinstance(one, Submission) else _failed(one)
            for one in part
        ]

    async def _answer(self, result: Submitted | Exception) -> Verdict:
        if isinstance(result, Exception):
            return _failed(result)
        try:
            return await Submissions(self.services).verdict(result)
        except Exception as error:
            return _failed(error)

    async def _prepared(self, sent: Sent, items: Sequence[Item]) -> Sequence[SubmissionOrError]:
        own = replace(sent, patience=Patience())  # of each part: the whole has its own
        try:
            return await Submissions(self.services).prepare(own, items)
        except (StoreUnavailable, Busy, trio.TooSlowError) as error:
            return [error] * len(items)


def _parts(
    items: Sequence[bytes | BadInput],
) -> Iterator[tuple[int, Sequence[bytes | BadInput]]]:
    """Parts bounded by number and by weight, each with its place."""
    start = weight = 0
    for place, item in enumerate(items):
        weighs = len(item) if isinstance(item, bytes) else 0
        if place > start and (place - start >= MAX_TOGETHER or weight + weighs > MAX_PART_BYTES):
            yield start, items[start:place]
            start, weight = place, 0
        weight += weighs
    if items:
        yield start, items[start:]


def _failed(error: Exception) -> Verdict:
    """The answer to a submission of which there is no record."""
    match error:
        case HTTPException():
            return Verdict(error.code or 500, {"error": error.description or error.name})
        case TooLarge():
            return Verdict(413, {"error": str(error)})
        case BadInput():
            return Verdict(400, {"error": str(error)})
        case Busy():
            return BUSY
        case StoreUnavailable() | ActorGone() | trio.TooSlowError():
            return UNAVAILABLE
    logger.error("a submission of a batch failed", exc_info=error)
    return Verdict(500, {"error": "internal error"})


def _told(verdict: Verdict) -> Json:
    status: JsonObject = {} if verdict.status == 200 else {"status": verdict.status}
    return {**verdict.content, **status}


def routes(services: Services) -> Sequence[Route]:
    return [Route("POST", BATCH_PATH, Batches(services).submit, SUBMIT)]
