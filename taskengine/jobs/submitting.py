"""The one way in: requests, batches and schedules all record their submissions through here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from taskengine.jobs.submission import refused_data
from taskengine.messages import IntakeAnswer, Submit
from taskengine.model import BadInput, Client, Submission
from taskengine.runtime.mailbox import ActorGone, Address


class Submitted(NamedTuple):
    """A committed job, and the submission as it was recorded."""

    job_id: int
    submission: Submission


async def submit_one(
    intake: Address[Submit], submission: Submission, sender: Client | None = None
) -> Submitted:
    """Record a submission, if its sender is still as given. If the database refuses its data, a
    refused job is recorded without them. Raises StoreUnavailable, ActorGone, SenderChanged, and
    BadInput if even that is refused."""
    return await _settle(intake, submission, await intake.ask(Submit(submission, sender)))


async def submit_many(
    intake: Address[Submit], submissions: Sequence[Submission]
) -> list[Submitted | Exception]:
    """Record submissions together, in order; each has a result or an error of its own."""
    try:
        answers = await intake.ask_all([Submit(one) for one in submissions])
    except ActorGone as error:
        return [error] * len(submissions)
    results: list[Submitted | Exception] = []
    for submission, answer in zip(submissions, answers, strict=True):
        try:
            results.append(await _settle(intake, submission, answer))
        except Exception as error:  # the others are recorded all the same
            results.append(error)
    return results


async def _settle(
    intake: Address[Submit], submission: Submission, answer: IntakeAnswer
) -> Submitted:
    if isinstance(answer, BadInput):
        submission = refused_data(submission, str(answer))
        answer = await intake.ask(Submit(submission))
    if isinstance(answer, Exception):
        raise type(answer)(*answer.args)  # the error is shared with the others of its batch
    return Submitted(answer, submission)
