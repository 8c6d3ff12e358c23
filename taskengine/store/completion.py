"""What both stores agree on when attempts, jobs and deliveries end. Pure."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import Enum, auto
from typing import Final
from urllib.parse import urlsplit

from taskengine.callbacks.bodies import render_extras
from taskengine.model import (
    BadInput,
    Ended,
    Job,
    JobState,
    JsonObject,
    Outcome,
    Severity,
    Task,
    TaskState,
)
from taskengine.policy import MAX_RESCUES
from taskengine.texts import clean_text, name_of, words_of
from taskengine.workflows.scope import job_scope, scope

logger = logging.getLogger(__name__)

COMMON_DEFINITIONS = "No client definitions. Using common definitions."
CLIENT_DEFINITIONS = "Using client definitions."
STOPPED = "the job was stopped"
TERSE = "what workflow and client add to the job's callback cannot be written, and is left out"
STALLED = "what it waits for does not come: no task of the job is queued or at work"
MAX_CHILDREN = 1_000  # of a job that is cleaned up: of one with more, children go first
PARENTS = 100  # jobs whose edges one step of the cascades settles
HANDED_BACK = "was handed back: "
ENGINE_STOPPED = HANDED_BACK + "the engine stopped"
LOST = "is lost: "
ENGINE_FELL = LOST + "the engine fell"
BUG_MET = LOST + "it met an error of the engine"
NEVER_ARRIVED = HANDED_BACK + "the answer to its claim was lost"
CARRIED = 65_536  # octets of a job's documents, and of its results, that come with a claim
CARRIED_BODY = 16_384  # octets of a callback's body that come with the claim of its lane
MOST_RESULTS = 8 << 20  # octets of results that one attempt sees
PER_HOST = 2  # lanes or gates of one host in a claim: one that hangs holds up nobody
QUICK_LANES = 32  # lanes of a claim for a host that answers quickly


class Fate(Enum):
    """What became of a job, as those that wait for its completion see it."""

    UNKNOWN = auto()  # it is not over
    COMPLETED = auto()
    LOST = auto()
    HANDED_ON = auto()  # it was run again before it ended: they wait for its rerun


def fate_of(state: JobState, *, failed: bool, run_again: bool) -> Fate:
    """Of a job that is there and was not handed on. Running again what has ended changes nothing
    for those that waited for it: a satisfied edge stays satisfied."""
    if not state.is_final:
        return Fate.UNKNOWN
    done = state is JobState.COMPLETED or run_again
    return Fate.COMPLETED if done and not failed else Fate.LOST


def lost(parent: int) -> str:
    """Why a job is broken that waited for another."""
    return f"it depends on job {parent}, which did not complete"


def lost_before(parent: int) -> str:
    """Why a job that was stopped is not run again."""
    return f"{lost(parent)}: that one is to run again first"


_FINAL = {
    Outcome.COMPLETED: TaskState.COMPLETED,
    Outcome.FAILED: TaskState.FAILED,
    Outcome.SKIPPED: TaskState.SKIPPED,
    Outcome.CANCELLED: TaskState.CANCELLED,
    # Not tried again where the job is over:
    Outcome.RETRY: TaskState.CANCELLED,
    Outcome.RELEASED: TaskState.CANCELLED,
    Outcome.LOST: TaskState.CANCELLED,
}
_AGAIN = (Outcome.RETRY, Outcome.RELEASED, Outcome.LOST)  # the task is queued once more


_FOLLOWS = {
    TaskState.QUEUED: "the task is queued again",
    TaskState.WAITING: "the task goes on when its job does",
}


Extras = tuple[dict[str, str], list[str]]  # of a job callback, and what of them is left out
NO_EXTRAS: Final[Extras] = ({}, [])


def last_words(
    failure: str | None, problems: Sequence[str] = (), *, terse: bool = False
) -> list[tuple[Severity, str]]:
    """The controller's lines at the end of a job; `terse` where its callback is."""
    told = [(Severity.ERROR, TERSE)] if terse else []
    if failure is not None:
        return [*told, (Severity.ERROR, f"job has failed: {failure}")]
    told += [(Severity.WARN, problem) for problem in problems]
    return [*told, (Severity.INFO, "job has completed successfully")]


def extras_of(
    job: Job,
    callback: JsonObject,
    parameters: JsonObject,
    results: Mapping[str, JsonObject],
    client_scope: JsonObject,
) -> Extras:
    """What a workflow adds to the callback of a job, with what of it is left out. It never raises,
    so that no job's template holds up another's end."""
    try:
        return render_extras(callback, scope(parameters, results, job_scope(job), client_scope))
    except Exception as error:  # of a definition that another version may have written
        told = f"{name_of(error)}: {words_of(error)}"
        logger.error("the callback of job %d lacks its extras: %s", job.id, told)
        return {}, [clean_text(f"callback: {told[:1_000]}")]


def failure_of(
    failed: bool, first: tuple[str, str | None] | None, *, stalled: bool = False
) -> str | None:
    """Why a job failed: name and error of its first failed task."""
    if first is not None:
        return f"'{first[0]}' failed: {first[1] or 'without a message'}"
    if not failed:
        return None
    return STALLED if stalled else STOPPED


def too_much(size: int) -> BadInput:
    """An attempt would load more than it may."""
    return BadInput(
        f"the results that its templates look up: expected {MOST_RESULTS} octets, got {size}"
    )


def final_state(outcome: Outcome) -> TaskState:
    """The state of a task that will not be tried again."""
    return _FINAL[outcome]


def confirms(task: Task, ended: Ended) -> bool:
    """Whether a refused end is the repeat of one already written (rule 4: lost answers)."""
    if task.attempt != ended.fence.attempt:
        return False
    if ended.outcome in _AGAIN:
        return task.state is not TaskState.WORKING
    return task.state is final_state(ended.outcome)


def settled(task: Task, ended: Ended) -> Ended:
    """The end as it counts: a task that was lost too often fails, for it may be the reason."""
    rescues = task.rescues + 1
    if ended.outcome is not Outcome.LOST or rescues <= MAX_RESCUES:
        return ended
    error = f"given up after {rescues} hosts died while running it"
    if ended.error:
        error = f"given up after it was lost {rescues} times: {ended.error}"
    return replace(ended, outcome=Outcome.FAILED, error=error)


def is_tried_again(ended: Ended, *, wanted: bool) -> bool:
    """Whether the task is queued once more: not where its job is over."""
    return wanted and ended.outcome in _AGAIN


def lost_with(instance: int, name: str, lease: float, *, known: bool) -> str:
    """The fate of what a dead instance ran: its death is known, or was seen by its silence."""
    silent = f"did not answer for {lease:g} s" if lease else "did not answer"
    return f"is lost: instance {instance} ({name}) {'died' if known else silent}"


def told_fate(ended: Ended, becomes: TaskState) -> str:
    """The line of an attempt that did not end by itself."""
    follows = _FOLLOWS.get(becomes, "the task is given up")
    return f"attempt {ended.fence.attempt} {ended.fate}; {follows}"


def definitions_line(client: str | None) -> str:
    """The line of each process that resolves a job's definitions (`workflows.md` 1.5)."""
    return CLIENT_DEFINITIONS if client else COMMON_DEFINITIONS


def host_of(url: str) -> str:
    """Host and port: what counts as one receiver."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""
