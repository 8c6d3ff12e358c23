"""What both stores agree on when attempts, jobs and deliveries end. Pure."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final
from urllib.parse import urlsplit

from taskengine.callbacks.bodies import job_body, render_extras
from taskengine.jobs.changes import OVER
from taskengine.model import (
    Ended,
    Fence,
    JobDetails,
    JobState,
    JsonObject,
    Outcome,
    Severity,
    Task,
    TaskState,
)

logger = logging.getLogger(__name__)

COMMON_DEFINITIONS = "No client definitions. Using common definitions."
CLIENT_DEFINITIONS = "Using client definitions."
STOPPED = "the job was stopped"
STALLED = "what it waits for does not come: no task of the job is queued or at work"
MAX_CHILDREN = 1_000  # of a job that is cleaned up: of one with more, children go first
PARENTS = 100  # jobs whose edges one step of the cascades settles
PER_HOST = 2  # lanes or gates of one host in a claim: one that hangs holds up nobody


class Fate(Enum):
    """What became of a job, as those that wait for its completion see it."""

    UNKNOWN = auto()  # it is not over
    COMPLETED = auto()
    LOST = auto()
    HANDED_ON = auto()  # it was run again before it ended: they wait for its rerun


def fate_of(state: JobState, *, failed: bool, run_again: bool) -> Fate:
    """Of a job that is there and was not handed on. Running again what has ended changes nothing
    for those that waited for it: a satisfied edge stays satisfied."""
    if state not in OVER:
        return Fate.UNKNOWN
    done = state is JobState.COMPLETED or run_again
    return Fate.COMPLETED if done and not failed else Fate.LOST


def lost(parent: int) -> str:
    """Why a job is broken that waited for another."""
    return f"it depends on job {parent}, which did not complete"


_FINAL = {
    Outcome.COMPLETED: TaskState.COMPLETED,
    Outcome.FAILED: TaskState.FAILED,
    Outcome.SKIPPED: TaskState.SKIPPED,
    Outcome.CANCELLED: TaskState.CANCELLED,
    # Not tried again where the job is over:
    Outcome.RETRY: TaskState.CANCELLED,
    Outcome.RELEASED: TaskState.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Ending:
    """What a job's end writes: the controller's lines and the job callback."""

    lines: Sequence[tuple[Severity, str]]
    body: JsonObject


UNEVENTFUL: Final = Ending(((Severity.INFO, "job has completed successfully"),), {})


def conclude(details: JobDetails, content: JsonObject | None, *, called: bool) -> Ending:
    """A job's last words, with its callback where it is `called` for.

    It never raises, so that no job's template holds up another's end.
    """
    failure = failure_of(details)
    extras, problems = _extras(details, content) if called else ({}, [])
    if failure is None:
        lines = [*((Severity.WARN, problem) for problem in problems), *UNEVENTFUL.lines]
    else:
        lines = [(Severity.ERROR, f"job has failed: {failure}")]
    custom_data = details.submitted.get("custom_data")
    return Ending(lines, job_body(details.job, custom_data, failure, extras))


def _extras(details: JobDetails, content: JsonObject | None) -> tuple[JsonObject, list[str]]:
    try:
        return render_extras(details, content)
    except Exception as error:  # of a definition that another version may have written
        logger.exception("the callback of job %d lacks its extras", details.job.id)
        return {}, [f"callback: {type(error).__name__}: {error}"]


def failure_of(details: JobDetails) -> str | None:
    """Why the job failed: the error of its first failed task."""
    failed = [task for task in details.tasks if task.state is TaskState.FAILED]
    if failed:
        return f"'{failed[0].name}' failed: {failed[0].error or 'without a message'}"
    if not details.job.failed:
        return None
    stopped = any(task.state is TaskState.CANCELLED for task in details.tasks)
    return STOPPED if stopped else STALLED


def final_state(outcome: Outcome) -> TaskState:
    """The state of a task that will not be tried again."""
    return _FINAL[outcome]


def confirms(task: Task, ended: Ended) -> bool:
    """Whether a refused end is the repeat of one already written (rule 4: lost answers)."""
    if task.attempt != ended.fence.attempt:
        return False
    if ended.outcome in (Outcome.RETRY, Outcome.RELEASED):
        return task.state is not TaskState.WORKING
    return task.state is final_state(ended.outcome)


def kills_its_hosts(task: Task, at: datetime) -> Ended:
    """The end of a task that was rescued too often."""
    error = f"given up after {task.rescues} hosts died while running it"
    return Ended(Fence(task.job_id, task.id, task.attempt), at, Outcome.FAILED, error=error)


def definitions_line(content: JsonObject | None) -> str:
    """The line of each process that resolves a job's definitions (`workflows.md` 1.5)."""
    return CLIENT_DEFINITIONS if content and content.get("client") else COMMON_DEFINITIONS


def host_of(url: str) -> str:
    """Host and port: what counts as one receiver."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""
