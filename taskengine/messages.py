"""The messages between actors, but for attempts (model.py). Mail is a hint or an order; the truth
is in the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from taskengine.model import (
    BadInput,
    Client,
    Ended,
    Record,
    StoreUnavailable,
    Submission,
    TaskEngineError,
)
from taskengine.runtime.mailbox import Ask


class Topic(StrEnum):
    """What may have changed. The table of actors says which of them a topic wakes."""

    ADMISSION = "admission"  # jobs are queued, or slots are free
    CASCADES = "cascades"  # a job ended that others wait for
    WORK = "work"  # tasks are queued
    CALLBACKS = "callbacks"  # the outbox has more
    SCHEDULE = "schedule"  # a job waits for a time or a gate
    OPERATIONS = "operations"  # a bulk operation began, or is to be undone
    SCHEDULES = "schedules"  # recurring work was added, removed or switched
    CLEANING = "cleaning"  # a job ended: its workspace can go
    STOP = "stop"  # running attempts are to end
    RESCUE = "rescue"  # the time has come to look for what was lost
    RETENTION = "retention"  # the time has come to remove old jobs
    DEATH = "death"  # announced by the store itself, when an instance is declared dead


@dataclass(frozen=True, slots=True)
class Wake:
    """There may be something to do: look."""


class SenderChanged(TaskEngineError):
    """The client that sent a submission is not what it was when its key was looked at."""


IntakeAnswer = int | BadInput | StoreUnavailable | SenderChanged


@dataclass(frozen=True, slots=True)
class Submit(Ask[IntakeAnswer]):
    """Record a submission; the answer is the job's id, once it is committed, or why not. `sender`
    is who sent it, where that is to be made sure of."""

    submission: Submission
    sender: Client | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Write a record of an attempt, in the order told; `settled` once that is done, or given up."""

    record: Record
    settled: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Finish:
    """Write the end of an attempt; `settled` is told whether that is done, or was given up."""

    record: Ended
    settled: Callable[[bool], None]


Mail = Wake | Note | Finish  # what a recorder is sent


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the other instances that there is something to do."""

    topic: str


@dataclass(frozen=True, slots=True)
class Alert:
    """Tell people of something that they should look at. `kind` is job_failed,
    callbacks_given_up or instance_dead."""

    kind: str
    text: str
    job: int | None = None
    workflow: str | None = None
    client: str | None = None


def tell_nobody(alert: Alert) -> None:
    """Where the installation has no webhooks."""
