"""What an update makes of a job (decision A19). Pure: both stores decide by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from taskengine.model import BadInput, Job, JobState

UPDATABLE = (
    "queue_state",
    "run_at",
    "priority",
    "position",
    "top_of_queue",
    "persist",
    "semaphore_url",
)
CHANGED = ("state", "gate_open", "updated_at", *UPDATABLE[1:])  # of a job, by an update
TIMING = {"run_at", "semaphore_url"}


def placed(job: Job, *, waits: bool, now: datetime) -> JobState:
    """Where a job that is not running waits: for other jobs, for its time or gate, for a slot."""
    if waits:
        return JobState.PENDING
    gated = job.semaphore_url is not None and not job.gate_open
    return JobState.SCHEDULED if gated or job.run_at > now else JobState.QUEUED


def asked_anew(before: Job, after: Job) -> bool:
    """Whether an update makes the gate due at once, of a job that has or had one."""
    if before.semaphore_url is None and after.semaphore_url is None:
        return False
    return (before.state, before.run_at, before.semaphore_url) != (
        after.state,
        after.run_at,
        after.semaphore_url,
    )


def changed(job: Job, changes: Mapping[str, Any], *, waits: bool, now: datetime) -> Job:
    """The job after an update; `waits` says that it depends on jobs that have not completed.

    Raises BadInput for what the job's state does not allow.
    """
    if not changes:
        raise BadInput(f"expected at least one of {', '.join(UPDATABLE)}")
    if job.state.is_final:
        raise BadInput(f"the job is {job.state.label}: it cannot be changed any more")
    if job.state is JobState.STARTED and (late := TIMING & changes.keys()):
        raise BadInput(f"{min(late)}: the job has started already")
    values = {name: value for name, value in changes.items() if name != "queue_state"}
    after = replace(job, updated_at=now, **values)
    if "semaphore_url" in changes:
        after = replace(after, gate_open=False)
    return replace(after, state=_next_state(job, after, changes, waits=waits, now=now))


def _next_state(
    before: Job, after: Job, changes: Mapping[str, Any], *, waits: bool, now: datetime
) -> JobState:
    match changes.get("queue_state"):
        case JobState.PAUSED:
            return JobState.PAUSED
        case JobState.BROKEN:
            return JobState.BROKEN
        case JobState.QUEUED if before.state is JobState.PAUSED:
            return placed(after, waits=waits, now=now)
        case JobState.QUEUED if before.state in (JobState.SCHEDULED, JobState.QUEUED):
            return JobState.QUEUED
        case JobState.QUEUED:
            raise BadInput(f"queue_state: a job that is {before.state.label} cannot be queued")
        case None if TIMING & changes.keys() and before.state in (
            JobState.QUEUED,
            JobState.SCHEDULED,
        ):
            return placed(after, waits=waits, now=now)
        case None:
            return before.state
    raise BadInput("queue_state: expected paused, broken or queued")
