"""POST /job: submissions. A 200 says that the job is committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import trio
from quart import Response

from taskengine.api.auth import caller, given_key, owner
from taskengine.api.documents import Document, read_document
from taskengine.api.errors import NO_JOB, Draining
from taskengine.api.idempotency import HEADER, GivenKey, digest_of, kept, read_key
from taskengine.api.openapi.bodies import SUBMISSION
from taskengine.api.openapi.operation import ACCEPTED, CONFLICT, REFUSED, Answer, Operation
from taskengine.api.origin import origin
from taskengine.api.query import Query
from taskengine.api.replies import reply
from taskengine.api.routes import Route
from taskengine.api.services import Services
from taskengine.jobs.submission import Received, refused_data
from taskengine.messages import Submit
from taskengine.model import BadInput, Client, JsonObject, StoreUnavailable, Submission
from taskengine.store import JobFilter

USED = "Idempotency-Key: the client has used it for another body"
PATIENCE = 5  # seconds in which a submission is answered, whatever happens
SUBMIT = Operation(
    summary="Submit a job",
    tag="jobs",
    answer=Answer("Accepted: the job is committed.", ACCEPTED),
    lenient=True,
    parameters=[HEADER],
    body=SUBMISSION,
    errors={
        400: REFUSED,
        422: CONFLICT,
        500: Answer("What nobody foresaw, as plain text.", {"const": NO_JOB}, "text/plain"),
    },
)


IntakeAnswer = int | BadInput | StoreUnavailable


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one submission."""

    status: int
    content: JsonObject


@dataclass(frozen=True, slots=True)
class Submissions:
    services: Services

    async def submit(self) -> Response:
        if self.services.draining():
            raise Draining
        given_key()  # nothing is read of a request without a key
        document = await read_document()
        with trio.fail_after(PATIENCE):
            client = await caller(self.services, document.value)
            submission = await self.prepare(document, client, read_key())
            verdict = await self.conclude(submission, await self._record(submission))
        return reply(verdict.content, verdict.status)

    async def prepare(self, document: Document, client: Client, key: GivenKey) -> Submission:
        """What to record. Raises Forbidden, and BadInput for an unknown client."""
        body = document.value
        client = await owner(self.services, client, body)
        submission = await self._read(
            Received(
                body,
                client,
                origin(),
                document.problem or key.problem,
                [*Query.of_request().values],
            )
        )
        if key.text is not None:
            digest = digest_of(body)
            submission = replace(submission, idempotency_key=key.text, body_digest=digest)
        return submission

    async def conclude(self, submission: Submission, job_id: IntakeAnswer) -> Verdict:
        """The answer to what the intake said."""
        if isinstance(job_id, BadInput):  # the database refuses its data: recorded without them
            submission = refused_data(submission, str(job_id))
            job_id = await self._record(submission)
        if isinstance(job_id, Exception):
            raise type(job_id)(*job_id.args)  # the error is shared with the others of its batch
        return await self._verdict(job_id, submission)

    async def _verdict(self, job_id: int, submission: Submission) -> Verdict:
        """With a key the job may be that of an earlier submission, which is answered as it was."""
        refusal = submission.refusal
        if submission.idempotency_key is not None:
            earlier = await kept(self.services.store, job_id, submission)
            if not earlier.same_body:
                return Verdict(422, {"id": str(job_id), "error": USED})
            refusal = earlier.refusal
        if refusal is not None:
            return Verdict(400, {"id": str(job_id), "error": refusal})
        return Verdict(200, {"id": str(job_id), "result": "accepted"})

    async def _read(self, received: Received) -> Submission:
        submission = self.services.reader().read(received)
        if problem := await self._lost_parent(submission):
            submission = self.services.reader().read(replace(received, problem=problem))
        return submission

    async def _lost_parent(self, submission: Submission) -> str | None:
        """What is wrong with the jobs that it names as those it depends on."""
        ids = submission.depends_on
        if not ids:
            return None
        own = JobFilter(limit=len(ids), job_ids=ids, client=submission.client)
        known = {job.id for job in await self.services.store.jobs(own)}
        lost = next((parent for parent in ids if parent not in known), None)
        return None if lost is None else f"job.depends_on: the client has no job {lost}"

    async def _record(self, submission: Submission) -> IntakeAnswer:
        return await self.services.intake.ask(Submit(submission))


def routes(services: Services) -> Sequence[Route]:
    submissions = Submissions(services)
    return [
        Route("POST", "/job", submissions.submit, SUBMIT),
        Route("POST", "/jobs", submissions.submit, SUBMIT),
    ]
