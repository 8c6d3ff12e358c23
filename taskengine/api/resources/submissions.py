"""POST /job: submissions. A 200 says that the job is committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from quart import Response

from taskengine.api.auth import caller
from taskengine.api.errors import NO_JOB
from taskengine.api.idempotency import HEADER, kept, read_key
from taskengine.api.openapi.bodies import SUBMISSION
from taskengine.api.openapi.operation import ACCEPTED, CONFLICT, REFUSED, Operation, ResponseSpec
from taskengine.api.reading import Item
from taskengine.api.readings import Readings, SubmissionOrError
from taskengine.api.reception import Sent, received
from taskengine.api.responses import reply
from taskengine.api.routes import Route
from taskengine.api.services import Services
from taskengine.jobs.submitting import Submitted, submit_one
from taskengine.messages import SenderChanged
from taskengine.model import Client, JsonObject, Submission
from taskengine.store import JobFilter

USED = "Idempotency-Key: the client has used it for another body"
SUBMIT = Operation(
    summary="Submit a job",
    tag="jobs",
    answer=ResponseSpec("Accepted: the job is committed.", ACCEPTED),
    lenient=True,
    parameters=[HEADER],
    body=SUBMISSION,
    errors={
        400: REFUSED,
        422: CONFLICT,
        500: ResponseSpec("Unexpected error, as plain text.", {"const": NO_JOB}, "text/plain"),
    },
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one submission."""

    status: int
    content: JsonObject


@dataclass(frozen=True, slots=True)
class Submissions:
    services: Services

    async def submit(self) -> Response:
        self.services.check_open()
        async with received(self.services, may_be_recent=True) as sent:
            key = read_key()
            item = Item(sent.raw, key.text, key.problem)
            try:
                verdict = await self.accept(sent, item, sent.client)
            except SenderChanged:
                with sent.patience.counted():
                    client = await caller(self.services, sent.client.name)
                verdict = await self.accept(replace(sent, client=client), item)
        return reply(verdict.content, verdict.status)

    async def accept(self, sent: Sent, item: Item, sender: Client | None = None) -> Verdict:
        """Record one submission. Raises what its sender is to be told where there is no record, and
        SenderChanged where that is to be as given and is not."""
        [one] = await self.prepare(sent, [item])
        if isinstance(one, Exception):
            raise one
        with sent.patience.counted():
            return await self.verdict(await submit_one(self.services.intake, one, sender))

    async def prepare(self, sent: Sent, items: Sequence[Item]) -> Sequence[SubmissionOrError]:
        """What to record of each; for one of which there is no record the error."""
        readings = Readings(self.services, sent)
        found = await readings.read(items)
        problems: dict[int, Item] = {}
        with sent.patience.counted():
            for place, one in enumerate(found):
                if isinstance(one, Submission) and (problem := await self._lost_parent(one)):
                    problems[place] = replace(items[place], problem=problem)
        again = await readings.read([*problems.values()])
        for place, one in zip(problems, again, strict=True):
            found[place] = one
        return found

    async def verdict(self, submitted: Submitted) -> Verdict:
        """The answer to a recorded submission. With a key the job may be that of an earlier one,
        which is answered as it was."""
        job_id, submission = submitted
        refusal = submission.refusal
        if submission.idempotency_key is not None:
            earlier = await kept(self.services.store, job_id, submission)
            if not earlier.same_body:
                return Verdict(422, {"id": str(job_id), "error": USED})
            refusal = earlier.refusal
        if refusal is not None:
            return Verdict(400, {"id": str(job_id), "error": refusal})
        return Verdict(200, {"id": str(job_id), "result": "accepted"})

    async def _lost_parent(self, submission: Submission) -> str | None:
        """What is wrong with the jobs that it names as those it depends on."""
        ids = submission.depends_on
        if not ids:
            return None
        own = JobFilter(limit=len(ids), job_ids=ids, client=submission.client)
        known = {job.id for job in await self.services.store.jobs(own)}
        lost = next((parent for parent in ids if parent not in known), None)
        return None if lost is None else f"job.depends_on: the client has no job {lost}"


def routes(services: Services) -> Sequence[Route]:
    submissions = Submissions(services)
    return [
        Route("POST", "/job", submissions.submit, SUBMIT),
        Route("POST", "/jobs", submissions.submit, SUBMIT),
    ]
