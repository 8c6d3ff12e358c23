"""POST /jobs/batch: many submissions, each answered by itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import trio
from quart import Response
from werkzeug.exceptions import HTTPException

from taskengine.api.auth import caller, given_key, header, owner
from taskengine.api.documents import BATCH_PATH, MAX_BATCH, Batch, Document, read_batch
from taskengine.api.errors import Draining
from taskengine.api.idempotency import HEADER, MAX_KEY, GivenKey, read_key
from taskengine.api.openapi.bodies import SUBMISSION
from taskengine.api.openapi.operation import (
    ACCEPTED,
    NUMBER_AS_TEXT,
    TEXT,
    WHOLE,
    Answer,
    Operation,
    Parameter,
    list_of,
    record,
)
from taskengine.api.replies import reply
from taskengine.api.resources.submissions import IntakeAnswer, Submissions, Verdict
from taskengine.api.routes import Route
from taskengine.api.services import Services
from taskengine.messages import Submit
from taskengine.model import BadInput, Client, Json, JsonObject, StoreUnavailable, Submission
from taskengine.runtime.mailbox import ActorGone

logger = logging.getLogger(__name__)

PATIENCE = 30  # seconds in which a batch is answered, whatever happens
TOGETHER = 100  # submissions that wait for the intake at once
LONGEST_KEY = MAX_KEY - len("/9999")
AWAY = Verdict(503, {"error": "the database is not available"})
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
                "client": {**TEXT, "description": "The client, where no header names it."},
                "jobs": JOBS,
            },
        },
    ],
}
FAILED = record("NotAccepted", ("id",), id=NUMBER_AS_TEXT, error=TEXT, status=WHOLE)
SUBMIT = Operation(
    summary=f"Submit up to {MAX_BATCH} jobs",
    tag="jobs",
    answer=Answer(
        "An answer to each submission, in their order. `error` and `status` are what it would "
        "have been answered by itself.",
        list_of({"anyOf": [ACCEPTED, FAILED]}),
    ),
    parameters=[
        Parameter(
            HEADER.name,
            "The submission at each place, from 0, has the key `<key>/<place>`.",
            {**HEADER.schema, "maxLength": LONGEST_KEY},
            HEADER.place,
        )
    ],
    body=BATCH,
    errors={400: "The body is no batch, or the key is none; nothing is recorded."},
)


@dataclass(frozen=True, slots=True)
class Batches:
    services: Services

    async def submit(self) -> Response:
        if self.services.draining():
            raise Draining
        given_key()
        client = await caller(self.services) if header("client") else None
        batch = await read_batch()
        key = read_key(LONGEST_KEY)
        if key.problem is not None:
            raise BadInput(key.problem)
        verdicts: list[Verdict] = []
        with trio.move_on_after(PATIENCE):
            client = client or await caller(self.services, batch.envelope)
            client = await owner(self.services, client, batch.envelope)
            for start in range(0, len(batch.items), TOGETHER):
                verdicts += await self._some(batch, start, client, key)
        if client is None:
            raise trio.TooSlowError
        verdicts += [AWAY] * (len(batch.items) - len(verdicts))
        return reply([_told(verdict) for verdict in verdicts])

    async def _some(
        self, batch: Batch, start: int, client: Client, key: GivenKey
    ) -> Sequence[Verdict]:
        """Submit some of them, in order."""
        submissions = Submissions(self.services)
        answers: dict[int, Verdict] = {}
        wanted: dict[int, Submission] = {}
        for place, item in enumerate(batch.items[start : start + TOGETHER], start):
            own = GivenKey(key.text and f"{key.text}/{place}")
            try:
                wanted[place] = await submissions.prepare(_document(item), client, own)
            except Exception as error:
                answers[place] = _failed(error)
        try:
            recorded = await self._record([*wanted.values()])
        except ActorGone as error:
            answers |= dict.fromkeys(wanted, _failed(error))
            recorded, wanted = [], {}
        for (place, submission), job_id in zip(wanted.items(), recorded, strict=True):
            try:
                answers[place] = await submissions.conclude(submission, job_id)
            except Exception as error:
                answers[place] = _failed(error)
        return [answers[place] for place in sorted(answers)]

    async def _record(self, submissions: Sequence[Submission]) -> Sequence[IntakeAnswer]:
        return await self.services.intake.ask_all([Submit(one) for one in submissions])


def _document(item: Document | Exception) -> Document:
    if isinstance(item, Exception):
        raise item
    return item


def _failed(error: Exception) -> Verdict:
    """The answer to a submission of which there is no record."""
    match error:
        case HTTPException():
            return Verdict(error.code or 500, {"error": error.description or error.name})
        case BadInput():
            return Verdict(400, {"error": str(error)})
        case StoreUnavailable() | ActorGone():
            return AWAY
    logger.error("a submission of a batch failed", exc_info=error)
    return Verdict(500, {"error": "internal error"})


def _told(verdict: Verdict) -> Json:
    status: JsonObject = {} if verdict.status == 200 else {"status": verdict.status}
    return {**verdict.content, **status}


def routes(services: Services) -> Sequence[Route]:
    return [Route("POST", BATCH_PATH, Batches(services).submit, SUBMIT)]
