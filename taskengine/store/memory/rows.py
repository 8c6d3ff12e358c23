"""The rows of the store in memory."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from taskengine.model import (
    Callback,
    Definition,
    Fence,
    Job,
    JobState,
    JsonObject,
    JsonText,
    Submission,
    Task,
)
from taskengine.operations import BulkOperation
from taskengine.policy import Band
from taskengine.schedules import Schedule

COMPLETES, ENDS = "completes", "ends"  # what the child of an edge waits for


@dataclass(slots=True)
class StoredJob:
    job: Job
    submission: Submission
    definition: Definition | None
    open_tasks: int = 0
    band: Band | None = None  # None: it holds no slot
    rerun_of: int | None = None
    rerun_as: int | None = None
    handed_on: bool = False  # run again before it completed
    gate_due_at: datetime | None = None
    gate_failures: int = 0
    gate_answer: str | None = None
    lines: int = 0  # of its log
    lines_removed: int = 0
    is_held: bool = False  # set aside while its workflow is paused

    @property
    def submitted(self) -> JsonObject:
        return opened(self.submission.submitted)

    @property
    def wanted(self) -> bool:
        """Whether its tasks are to go on: it is not over, and no task has failed for good."""
        return not self.job.state.is_final and not self.job.failed

    @property
    def over(self) -> bool:
        """Whether it has ended and none of its tasks is still being stopped."""
        return self.job.state.is_final and self.open_tasks == 0

    @property
    def may_be_retried(self) -> bool:
        """Whether it ended without completing its tasks and was not run again."""
        unhappy = self.job.failed or self.job.state is JobState.BROKEN
        return unhappy and self.definition is not None and self.rerun_as is None

    @property
    def content(self) -> JsonObject | None:
        return self.definition.content if self.definition else None


@dataclass(slots=True)
class TaskRow:
    task: Task
    waits_for: int
    needs: tuple[int, ...]
    due_at: datetime
    holder: int | None = None
    claim_id: uuid.UUID | None = None
    claimed_at: datetime | None = None  # by its first attempt
    ahead: bool = False  # claimed before a worker was free

    @property
    def fence(self) -> Fence:
        return Fence(self.task.job_id, self.task.id, self.task.attempt)


@dataclass(slots=True)
class OperationRow:
    """A bulk operation, and the jobs that it has changed with the priorities that they had."""

    operation: BulkOperation
    held_until: datetime | None = None
    changed: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Peer:
    """What an instance said when it joined, and whether it is known to be dead."""

    name: str
    lease: float
    process: uuid.UUID | None
    joined_at: datetime
    dead: bool = False
    workflows: str | None = None  # a digest of its workflow files


@dataclass(slots=True)
class Edge:
    parent: int
    child: int
    kind: str
    open: bool


@dataclass(slots=True)
class CallbackRow:
    callback: Callback
    created_at: datetime
    delivered_at: datetime | None = None
    status: int | None = None
    error: str | None = None


@dataclass(slots=True)
class LaneRow:
    id: int
    job_id: int
    ordinal: int
    url: str
    events: Sequence[str]  # that it hears of; none: all
    callbacks: list[CallbackRow] = field(default_factory=list)
    last_number: int = 0
    failures: int = 0
    due_at: datetime | None = None
    holder: int | None = None
    claims: int = 0
    dead: bool = False
    replayed: bool = False  # while it was held: the try in flight decides nothing

    @property
    def waiting(self) -> list[CallbackRow]:
        return [row for row in self.callbacks if row.delivered_at is None]

    @property
    def live(self) -> bool:
        """Whether it has something to deliver."""
        return not self.dead and (self.due_at is not None or self.holder is not None)

    def let_go(self, now: datetime) -> None:
        """Its holder does not deliver it: somebody else may, at once."""
        self.holder, self.replayed, self.due_at = None, False, now


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """When a job was foretold to start, and whether it did."""

    made_at: datetime
    start_at: datetime
    started_at: datetime | None = None  # it waits yet
    is_right: bool = False


@dataclass(slots=True)
class ScheduleRow:
    schedule: Schedule
    tick_at: datetime | None = None  # the tick that somebody runs
    again_at: datetime | None = None  # when it is handed to somebody else

    @property
    def due_at(self) -> datetime | None:
        return self.again_at or self.schedule.next_at

    def next_after(self, now: datetime) -> datetime | None:
        """When to look again: the tick before may have ended by then."""
        next_at = self.schedule.next_at
        if next_at is None or self.again_at is None or next_at <= now:
            return self.due_at
        return min(next_at, self.again_at)


def opened(document: JsonObject | JsonText) -> JsonObject:
    found: JsonObject = json.loads(document) if isinstance(document, JsonText) else document
    return found
