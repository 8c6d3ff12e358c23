"""A job as its submission or its original makes it. Pure: both stores begin with this."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from taskengine.model import BadInput, Job, JobState, Submission
from taskengine.policy import initial_state

REFUSED = "the job was refused, and its secrets are masked for good: mend the body and submit that"
_SUBMITTED = {field.name for field in fields(Submission)}
COPIED = [field.name for field in fields(Job) if field.name in _SUBMITTED]


def new_job(submission: Submission, now: datetime) -> Job:
    """As it is recorded; its id, 0 until then, is the store's."""
    definition = submission.definition
    state = initial_state(
        refused=definition is None,
        run_at=submission.run_at,
        gate=bool(submission.semaphore_url),
        now=now,
    )
    values: dict[str, Any] = {name: getattr(submission, name) for name in COPIED}
    return Job(
        id=0,
        state=state,
        failed=state is JobState.BROKEN,
        created_at=now,
        updated_at=now,
        digest=definition.digest if definition else None,
        **values | {"run_at": submission.run_at or now},
    )


def check_rerun(job: Job) -> None:
    """Raises BadInput for a job that cannot be run again."""
    if job.digest is None:
        raise BadInput(REFUSED)


def rerun_of(job: Job, anew: Submission | None, now: datetime) -> Job:
    """The job that runs another one again, or what `anew` makes of that."""
    new = replace(
        job,
        id=0,
        state=JobState.QUEUED,
        failed=False,
        created_at=now,
        updated_at=now,
        run_at=max(job.run_at, now),
        gate_open=False,
        workspace=None,
    )
    if anew is None:
        return new
    definition = anew.definition
    return replace(
        new, content_id=anew.content_id, digest=definition.digest if definition else None
    )
