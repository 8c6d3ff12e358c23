"""Bulk operations: what is done, step by step, to all jobs that a filter matches. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from taskengine.model import BadInput, Job, JobState, JsonObject, Severity
from taskengine.store.types import Cursor, JobFilter

UNDO_TIME = timedelta(seconds=60)  # after the end of an operation
KEPT = timedelta(days=7)  # for which an operation can be looked at after its end
MAX_ACTIVE = 100  # operations of a client that are under way at once
MOST_ERRORS = 20  # that an operation remembers
COUNTED = 1_000  # jobs that are counted in one step
PAUSABLE = (JobState.QUEUED, JobState.STARTED, JobState.PENDING, JobState.SCHEDULED)
UNFINISHED = (*PAUSABLE, JobState.PAUSED)


class BulkAction(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    BREAK = "break"
    PRIORITY = "priority"
    RERUN = "rerun"
    RETRY = "retry"


class BulkState(StrEnum):
    COUNTING = "counting"
    RUNNING = "running"
    DONE = "done"
    ABORTED = "aborted"
    UNDOING = "undoing"
    UNDONE = "undone"


# The states of jobs that an action is for: others are not looked at.
STATES: Mapping[BulkAction, Sequence[JobState]] = {
    BulkAction.PAUSE: PAUSABLE,
    BulkAction.RESUME: (JobState.PAUSED,),
    BulkAction.BREAK: UNFINISHED,
    BulkAction.PRIORITY: UNFINISHED,
    BulkAction.RERUN: (*UNFINISHED, JobState.COMPLETED, JobState.BROKEN),
    BulkAction.RETRY: (JobState.COMPLETED, JobState.BROKEN),
}
# Jobs that one step, which is one transaction, changes. A rerun writes as much as a submission.
AGAIN = (BulkAction.RERUN, BulkAction.RETRY)
STEPS: Mapping[BulkAction, int] = {one: 10 if one in AGAIN else 50 for one in BulkAction}
UNDOABLE = (BulkAction.PAUSE, BulkAction.RESUME, BulkAction.PRIORITY)
ACTIVE = (BulkState.COUNTING, BulkState.RUNNING, BulkState.UNDOING)


@dataclass(frozen=True, slots=True)
class BulkOperation:
    """An operation and how far it has come: `cursor` is where its walk over the jobs goes on."""

    client: str  # who asked for it
    action: BulkAction
    wanted: JobFilter
    created_at: datetime
    values: JsonObject = field(default_factory=dict)  # `priority`, `definition`
    dry_run: bool = False  # it only counts
    top: int = 0  # the newest job when it began: it touches none that came later
    id: int = 0
    state: BulkState = BulkState.COUNTING
    cursor: Cursor | None = None
    matched: int = 0
    done: int = 0
    skipped: int = 0
    undone: int = 0
    errors: Sequence[tuple[int, str]] = ()  # jobs and why they were skipped: the first few
    ended_at: datetime | None = None
    claim: int = 0  # how often it was claimed: the fence of its steps

    @property
    def undo_until(self) -> datetime | None:
        """Until when it may be undone."""
        if self.action not in UNDOABLE or self.dry_run or self.ended_at is None or not self.done:
            return None
        return self.ended_at + UNDO_TIME

    @property
    def step_size(self) -> int:
        """The most jobs of its next step."""
        return COUNTED if self.state is BulkState.COUNTING else STEPS[self.action]

    @property
    def line(self) -> tuple[Severity, str, str]:
        """What the log of each job says."""
        undo = "undone: " if self.state is BulkState.UNDOING else ""
        told = f"{undo}{self.action.value}, by operation {self.id} of client {self.client}"
        return Severity.INFO, "api", told

    def counted(self, number: int, cursor: Cursor | None, now: datetime) -> BulkOperation:
        """After a page was counted; without a cursor it was the last."""
        after = replace(self, matched=self.matched + number, cursor=cursor)
        if cursor is not None:
            return after
        if self.dry_run:
            return replace(after, state=BulkState.DONE, ended_at=now)
        return replace(after, state=BulkState.RUNNING)

    def stepped(
        self, done: int, failed: Sequence[tuple[int, str]], cursor: Cursor | None, now: datetime
    ) -> BulkOperation:
        """After the jobs of a page were changed."""
        errors = [*self.errors, *failed][:MOST_ERRORS]
        after = replace(self, errors=errors, cursor=cursor)
        after = replace(after, done=self.done + done, skipped=self.skipped + len(failed))
        if cursor is not None:
            return after
        return replace(after, state=BulkState.DONE, ended_at=now)

    def reverted(self, number: int, cursor: Cursor | None) -> BulkOperation:
        """After the changes to some jobs were taken back."""
        after = replace(self, undone=self.undone + number, cursor=cursor)
        return after if cursor is not None else replace(after, state=BulkState.UNDONE)

    def aborted(self, now: datetime) -> BulkOperation:
        """Raises BadInput where nothing is under way."""
        if self.state not in ACTIVE:
            raise BadInput(f"the operation is {self.state.value}: there is nothing to abort")
        return replace(self, state=BulkState.ABORTED, ended_at=now, cursor=None)

    def undoing(self, now: datetime) -> BulkOperation:
        """Raises BadInput where it cannot be undone (any more)."""
        if self.action not in UNDOABLE:
            raise BadInput(f"a {self.action.value} cannot be undone")
        if self.state in ACTIVE:
            raise BadInput(f"the operation is {self.state.value}: abort it first")
        if self.state is BulkState.UNDONE or self.undo_until is None:
            raise BadInput("the operation has changed nothing that is left to undo")
        if now > self.undo_until:
            raise BadInput(f"the operation ended more than {UNDO_TIME.seconds} s ago")
        return replace(self, state=BulkState.UNDOING, cursor=None)


def check_room(active: int) -> None:
    """Raises BadInput where a client has as many operations under way as it may."""
    if active >= MAX_ACTIVE:
        raise BadInput(
            f"a client has at most {MAX_ACTIVE} operations under way: wait for one, or abort it"
        )


def changes_of(operation: BulkOperation) -> JsonObject:
    """What an update of one job would say."""
    match operation.action:
        case BulkAction.PAUSE:
            return {"queue_state": JobState.PAUSED}
        case BulkAction.RESUME:
            return {"queue_state": JobState.QUEUED}
        case BulkAction.BREAK:
            return {"queue_state": JobState.BROKEN}
    return {"priority": operation.values["priority"]}


def undoing_of(operation: BulkOperation, job: Job, before: int) -> JsonObject:
    """What takes a change of this job back; nothing where it has been changed otherwise since.
    `before` is the priority that it had."""
    match operation.action:
        case BulkAction.PAUSE if job.state is JobState.PAUSED:
            return {"queue_state": JobState.QUEUED}
        case BulkAction.RESUME if job.state in PAUSABLE:
            return {"queue_state": JobState.PAUSED}
        case BulkAction.PRIORITY if job.priority == operation.values["priority"]:
            return {"priority": before} if not job.state.is_final else {}
    return {}


def limited(action: BulkAction, wanted: JobFilter) -> JobFilter:
    """The filter, for the jobs that an action is for, in the order in which they came: parents
    before children. Raises BadInput for one that names nothing, or no such job."""
    named = (wanted.states, wanted.failed, wanted.since, wanted.until, wanted.search)
    if not any((*named, wanted.job_ids, wanted.client)):
        raise BadInput(
            "the filter is empty and would match every job: expected at least one of state, "
            "failed, from, to, search, job_ids, client"
        )
    fitting = STATES[action]
    states = [state for state in wanted.states or fitting if state in fitting]
    if not states:
        known = ", ".join(state.label for state in fitting)
        raise BadInput(f"state: {action.value} is for jobs that are {known}")
    order = "id" if wanted.since is None and wanted.until is None else "created_at"
    return replace(wanted, states=states, order_by=order, ascending=True, after=None, before=None)
