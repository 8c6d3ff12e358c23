"""The header Idempotency-Key: of a client's submissions with one key, one makes a job."""

from __future__ import annotations

import re
from dataclasses import dataclass

from quart import request

from taskengine.api.auth import header
from taskengine.api.openapi.operation import Parameter
from taskengine.model import JobDetails, Severity, Submission
from taskengine.store import Store

NAME = "Idempotency-Key"
MAX_KEY = 255  # characters
EXPECTED = f"{NAME}: expected 1 to {MAX_KEY} printable ASCII characters"
HEADER = Parameter(
    NAME,
    "Unique for each client and kept as long as the job: sent again with the same body, the "
    "submission is answered as it was, with the same id; with another body, with a 422.",
    {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_KEY,
        "pattern": "^[ -~]*[!-~][ -~]*$",
        "examples": ["order-4711"],
    },
    "header",
)


@dataclass(frozen=True, slots=True)
class GivenKey:
    """That of the request, if any. `problem` says why it cannot be used."""

    text: str | None = None
    problem: str | None = None


def read_key(longest: int = MAX_KEY) -> GivenKey:
    if NAME not in request.headers:
        return GivenKey()
    text = header(NAME)
    if len(text) > longest or not re.fullmatch("[ -~]+", text):
        return GivenKey(problem=EXPECTED.replace(str(MAX_KEY), str(longest)))
    return GivenKey(text)


@dataclass(frozen=True, slots=True)
class Kept:
    """The job that has the key of a submission."""

    same_body: bool
    refusal: str | None  # why it was refused, if it was


async def kept(store: Store, job_id: int, submission: Submission) -> Kept:
    """What was recorded under the key: perhaps another submission, perhaps long ago."""
    details = await store.outline(job_id)
    if details is None:  # cleaned up a moment ago
        return Kept(True, submission.refusal)
    same = details.body_digest == submission.body_digest
    return Kept(same, await _refusal(store, details) if same else None)


async def _refusal(store: Store, details: JobDetails) -> str | None:
    """The ERROR line of a refused job, as it was answered."""
    if details.job.digest is not None:
        return None
    lines = [line async for page in store.log(details.job.id) for line in page]
    return next((line.message for line in lines if line.severity is Severity.ERROR), "refused")
