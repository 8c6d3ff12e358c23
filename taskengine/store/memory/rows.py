"""The rows of the store in memory, and how they are found."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

import trio

from taskengine.model import (
    BadInput,
    Callback,
    Client,
    Definition,
    Fence,
    Job,
    JobDetails,
    JobEnd,
    JobState,
    JsonObject,
    JsonText,
    LogLine,
    Severity,
    Submission,
    Task,
    TaskState,
)
from taskengine.policy import Band
from taskengine.schedules import BUILT_IN, QUEUE_SCHEDULED_JOBS, Schedule
from taskengine.store import Dismissed
from taskengine.store.log_retention import PROGNAME, notice, surplus

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
class Peer:
    """What an instance said when it joined, and whether it is known to be dead."""

    name: str
    lease: float
    process: uuid.UUID | None
    joined_at: datetime
    dead: bool = False


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


class Rows:
    """All that the store in memory knows."""

    def __init__(self) -> None:
        self._ids: Counter[str] = Counter()
        self._beats: dict[int, int] = {}
        self._peers: dict[int, Peer] = {}
        self._offers: dict[tuple[int, str], frozenset[str]] = {}  # actions by instance and queue
        self._over: dict[int, frozenset[Fence]] = {}  # marked attempts of each instance
        self._clients: dict[str, Client] = {}
        self._settings: dict[str, dict[str, str]] = {}
        self._definitions: dict[str, Definition] = {}
        self._jobs: dict[int, StoredJob] = {}
        self._requests: dict[uuid.UUID, int] = {}
        self._keys: dict[tuple[str, str], int] = {}  # client, idempotency key
        self._tasks: dict[int, TaskRow] = {}
        self._lanes: dict[int, LaneRow] = {}
        self._bodies: dict[int, tuple[int, bytes]] = {}  # of events, with their jobs
        self._edges: list[Edge] = []
        self._cascades: dict[int, int] = {}  # steps that each has had, by parent
        self._lines: list[LogLine] = []
        self._job_ends: list[JobEnd] = []  # that record() has not told yet
        self._ended_tasks: Counter[TaskState] = Counter()
        self._ends: Counter[tuple[datetime, str, bool]] = Counter()  # by hour, client, failed
        self._told: dict[int, tuple[int, Job]] = {}  # jobs as news() saw them, by number
        self._listeners: set[trio.MemorySendChannel[str]] = set()
        self._recurring = {(one.client, one.name): ScheduleRow(one) for one in BUILT_IN}

    def _announce(self, topics: Collection[str]) -> None:
        for listener in self._listeners:
            for topic in topics:
                with suppress(trio.WouldBlock):
                    listener.send_nowait(topic)

    def _next(self, kind: str) -> int:
        self._ids[kind] += 1
        return self._ids[kind]

    @property
    def _queues_due(self) -> bool:
        """Whether jobs are queued when they are due (A5)."""
        return self._recurring[None, QUEUE_SCHEDULED_JOBS].schedule.active

    def _check(self, instance: int) -> None:
        if instance not in self._beats:
            raise Dismissed(instance)

    def _log(self, line: LogLine) -> None:
        self._lines.append(replace(line, id=self._next("line")))
        self._jobs[line.job_id].lines += 1

    def _keep_short(self, job_id: int, now: datetime) -> None:
        """Make room in a log that is too long: the oldest lines go, DEBUG and INFO first; a notice
        takes the place of the last of them."""
        row = self._jobs[job_id]
        number = surplus(row.lines)
        if not number:
            return
        own = [line for line in self._lines if line.job_id == job_id]
        own.sort(key=lambda line: (line.severity > Severity.INFO, line.id))
        gone = {line.id for line in own[:number]}
        row.lines -= len(gone) - 1
        row.lines_removed += len(gone) - bool(row.lines_removed)
        told = LogLine(job_id, PROGNAME, notice(row.lines_removed), now, id=max(gone))
        self._lines = [line for line in self._lines if line.id not in gone or line.id == told.id]
        self._lines[[line.id for line in self._lines].index(told.id)] = told

    def _options(self, job_id: int) -> JsonObject | None:
        """Of the job's client; None: it was removed."""
        client = self._clients.get(self._jobs[job_id].job.client)
        return client.options if client else None

    def _tasks_of(self, job_id: int) -> list[TaskRow]:
        return [row for row in self._tasks.values() if row.task.job_id == job_id]

    def _details(self, job_id: int) -> JobDetails:
        row = self._jobs[job_id]
        one = row.submission
        tasks = [task.task for task in self._tasks_of(job_id)]
        edges = [edge for edge in self._edges if edge.child == job_id and edge.kind == COMPLETES]
        return JobDetails(
            row.job,
            row.submitted,
            opened(one.parameters),
            one.client_scope,
            tasks,
            depends_on=sorted(edge.parent for edge in edges),
            rerun_of=row.rerun_of,
            rerun_as=row.rerun_as,
            body_digest=one.body_digest if row.rerun_of is None else None,
        )


def opened(document: JsonObject | JsonText) -> JsonObject:
    found: JsonObject = json.loads(document) if isinstance(document, JsonText) else document
    return found


def check_data(one: Submission) -> None:
    """Raises BadInput for what a database refuses, so that both stores answer alike."""
    lines = [text for _, *texts in one.lines for text in texts]
    names = [one.client, one.workflow, one.content_id, one.semaphore_url, one.idempotency_key]
    texts = "".join(text for text in [*names, *one.urls, *lines] if text)
    documents = [opened(one.submitted), opened(one.parameters), one.client_scope]
    try:
        (texts + json.dumps(documents, ensure_ascii=False, allow_nan=False)).encode()
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the database refuses the data: {error}") from error
    if "\0" in texts:
        raise BadInput("the database refuses the data: a character NUL")
    if not (-(2**15) <= one.priority < 2**15 and -(2**31) <= one.position < 2**31):
        raise BadInput("the database refuses the data: a number out of range")
