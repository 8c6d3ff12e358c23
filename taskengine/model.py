"""The nouns of the engine: jobs, tasks, callbacks, log lines, their states and errors."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, IntEnum, StrEnum
from typing import Any

Json = Any  # what json.loads() gives
JsonObject = dict[str, Json]


class JsonText(str):
    """A JSON object as its text, where nobody has to look into it."""

    __slots__ = ()


class JobState(IntEnum):
    """Numbered as in the contract's `state` filter of GET /jobs."""

    QUEUED = 0
    STARTED = 1
    COMPLETED = 2
    PENDING = 3
    BROKEN = 4
    SCHEDULED = 5
    PAUSED = 6

    @property
    def label(self) -> str:
        """As written in `queue_state`."""
        return self.name.lower()

    @property
    def is_final(self) -> bool:
        """Whether nothing moves a job out of it, but for a rerun."""
        return self in FINAL_STATES


FINAL_STATES = (JobState.COMPLETED, JobState.BROKEN)

TASK_QUEUES = ("work", "windows_capture")  # the kinds of tasks that workers specialise in


class TaskState(IntEnum):
    WAITING = 0  # for the tasks it needs
    QUEUED = 1
    WORKING = 2
    COMPLETED = 3
    FAILED = 4
    CANCELLED = 5
    SKIPPED = 6

    @property
    def label(self) -> str:
        return self.name.lower()


class Severity(IntEnum):
    """Log severities of the contract (A59); DEBUG lines are hidden unless asked for."""

    DEBUG = 0
    INFO = 1
    WARN = 2
    ERROR = 3
    FATAL = 4


class Outcome(Enum):
    """How an attempt ended."""

    COMPLETED = "completed"
    FAILED = "failed"  # for good
    RETRY = "retry"  # failed, to be tried again after a delay
    RELEASED = "released"  # handed back: shutdown, or a claim that nobody runs
    LOST = "lost"  # its worker or its instance ended during it: counts as a rescue
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # its `when` was false


@dataclass(frozen=True, slots=True)
class Client:
    """A tenant. `options` holds roots, default storage, callback options; `key_hash` its key. One
    that was replaced opens too, `former_until` its time is over."""

    name: str
    key_hash: str
    admin: bool = False
    options: JsonObject = field(default_factory=dict)
    former_key_hash: str | None = None
    former_until: datetime | None = None

    @property
    def read_only(self) -> bool:
        """Whether it may look at everything that is its own, and change nothing."""
        return self.options.get("read_only") is True


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a job's log. Task 0 is the job itself."""

    job_id: int
    progname: str
    message: str
    created_at: datetime
    task_id: int = 0
    severity: Severity = Severity.INFO
    id: int = 0

    @property
    def visible(self) -> bool:
        return self.severity > Severity.DEBUG


@dataclass(frozen=True, slots=True)
class Definition:
    """A resolved workflow as jobs keep it: its digest, its canonical content, its task plan."""

    digest: str
    name: str
    content: JsonObject
    plan: tuple[PlannedTask, ...]


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task of a definition. `needs` are the indexes of the tasks that go before it."""

    name: str
    action: str
    queue: str
    needs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Submission:
    """A job as the API hands it to the store.

    `request_id` settles a lost answer: submitting it twice makes one job. `refusal` says why
    the job is refused; it is recorded all the same, as broken (decision A3). Of a client's
    submissions with one `idempotency_key` the first makes a job, and the others have its id;
    `body_digest` tells whether they had the same body.
    """

    client: str
    workflow: str
    submitted: JsonObject | JsonText  # parameters as the client wrote them
    lines: Sequence[tuple[Severity, str, str]]  # severity, progname, message: its first log lines
    definition: Definition | None = None  # None: refused
    parameters: JsonObject | JsonText = field(default_factory=dict)  # with defaults filled in
    client_scope: JsonObject = field(default_factory=dict)  # what templates see as `client`
    urls: Sequence[str] = ()
    events: Sequence[str] = ()  # that the URLs are told of; none: all
    priority: int = 5
    position: int = 1
    top_of_queue: bool = False
    persist: bool = False
    run_at: datetime | None = None
    semaphore_url: str | None = None
    content_id: str | None = None
    depends_on: Sequence[int] = ()  # jobs that have to complete first
    refusal: str | None = None
    idempotency_key: str | None = None
    body_digest: str | None = None  # of a submission with such a key
    request_id: uuid.UUID = field(default_factory=uuid.uuid4)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as lists show it."""

    id: int
    client: str
    workflow: str
    state: JobState
    failed: bool
    priority: int
    position: int
    top_of_queue: bool
    created_at: datetime
    updated_at: datetime
    run_at: datetime
    content_id: str | None = None
    semaphore_url: str | None = None
    persist: bool = False
    digest: str | None = None
    gate_open: bool = False  # its semaphore_url has answered so once
    workspace: int | None = None  # the job whose workspace it uses; None: its own


@dataclass(frozen=True, slots=True)
class Task:
    """A task of an admitted job."""

    id: int
    job_id: int
    number: int  # its place in the definition, from 0
    name: str
    action: str
    queue: str
    state: TaskState
    attempt: int = 0
    failures: int = 0
    rescues: int = 0
    progress: float = 0.0  # 0..1
    error: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class JobDetails:
    """A job with its parameters and tasks."""

    job: Job
    submitted: JsonObject
    parameters: JsonObject
    client_scope: JsonObject
    tasks: Sequence[Task]
    depends_on: Sequence[int] = ()
    rerun_of: int | None = None
    rerun_as: int | None = None
    body_digest: str | None = None  # see Submission


@dataclass(frozen=True, slots=True)
class Fence:
    """What every write of an attempt carries; refused once the task's attempt has moved on."""

    job_id: int
    task_id: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Documents:
    """What templates of tasks see of their job, each a JSON object."""

    parameters: str
    results: str | None  # that earlier tasks gave, by name; None: more than a claim carries

    @property
    def size(self) -> int:
        return len(self.parameters) + len(self.results or "")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A claimed task with what its worker needs to run it. Of a job with large documents they are
    fetched when it begins: many attempts may be claimed, and few begin at once."""

    task: Task
    job: Job
    documents: Documents | None
    client_scope: JsonObject  # what templates see as `client`
    options: JsonObject | None  # of the client; None: it was removed
    started_at: datetime  # of the task's first attempt
    lanes: int = 0  # URLs that hear of it
    size: int = 0  # octets of the job's documents, but for results

    @property
    def fence(self) -> Fence:
        return Fence(self.job.id, self.task.id, self.task.attempt)


@dataclass(frozen=True, slots=True)
class Written:
    """A log line of an attempt."""

    fence: Fence
    at: datetime
    message: str
    severity: Severity = Severity.INFO


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far an attempt has come, 0..1."""

    fence: Fence
    fraction: float


@dataclass(frozen=True, slots=True)
class Began:
    """An attempt's action is about to run: the moment of the `start` callback."""

    fence: Fence
    at: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt is over. `due_at` is when a retry may start. A `terse` end is what is left to say
    where all of it is refused or too much: the job's callback lacks what workflow and client add to
    it. `fate` is what became of one that did not end by itself, as the job's log tells it: "was
    handed back: …". `extras` is what the task's callback has besides, a JSON object."""

    fence: Fence
    at: datetime
    outcome: Outcome
    result: str | None = None  # a JSON object
    error: str | None = None
    due_at: datetime | None = None
    terse: bool = False
    fate: str = ""
    extras: str = ""


Record = Written | Progressed | Began | Ended


@dataclass(frozen=True, slots=True)
class JobEnd:
    """A job whose last task has ended, and how long it ran."""

    id: int
    client: str
    workflow: str
    failed: bool
    seconds: float  # since its start, or since its last change


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch of records."""

    stale: frozenset[Fence] = frozenset()  # refused: their attempts are no longer current
    ended_jobs: tuple[int, ...] = ()
    woken: bool = False  # tasks were queued
    scheduled: bool = False  # jobs that waited for others are due, or wait for their time or gate
    called: bool = False  # callbacks were written
    waited: bool = False  # jobs are over for which others wait
    ends: tuple[JobEnd, ...] = ()  # of the jobs that ended, but for those that were stopped


@dataclass(frozen=True, slots=True)
class Callback:
    """A message of the outbox. `event` is start, complete, fail or end (of the job)."""

    id: int
    webhook_id: str
    number: int  # place in its lane, from 1
    event: str
    task_id: int
    task_name: str | None
    event_id: int  # that it tells of: the body is the same for all URLs
    body: bytes | None  # JSON, but for `time`, that of sending; None: large, and fetched by then
    attempts: int = 0


LaneFence = tuple[int, int]  # a lane and its claim


@dataclass(frozen=True, slots=True)
class Lane:
    """The callbacks of one job to one URL, delivered in order by one holder at a time. `claim`
    says how often it was claimed: the fence of its deliveries."""

    id: int
    claim: int
    job_id: int
    url: str
    failures: int
    options: JsonObject  # of the client
    callbacks: Sequence[Callback]  # the next to deliver, in order

    @property
    def fence(self) -> LaneFence:
        return self.id, self.claim


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try to deliver a callback, and its outcome."""

    callback_id: int
    at: datetime
    delivered: bool
    status: int | None = None
    error: str | None = None
    due_at: datetime | None = None  # of the next try; None after a failure: the lane is dead
    refused: bool = False  # no connection came about: no other lane would get one now


@dataclass(frozen=True, slots=True)
class LaneResult:
    """The deliveries of one lane, at least one, in order; refused once it was claimed anew."""

    lane: LaneFence
    deliveries: Sequence[Delivery]


class CallbackState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"  # its lane is given up until somebody asks for a replay


@dataclass(frozen=True, slots=True)
class CallbackEntry:
    """A callback in the delivery log of its job. `status` and `error` are of the last try."""

    id: int
    webhook_id: str
    url: str
    number: int
    event: str
    task_id: int
    task_name: str | None
    state: CallbackState
    attempts: int
    status: int | None
    error: str | None
    created_at: datetime
    delivered_at: datetime | None
    next_try_at: datetime | None  # not before; None where nothing waits


class TaskEngineError(Exception):
    """Base of the errors that this program means to raise."""


class StoreUnavailable(TaskEngineError):
    """The database cannot be reached; nothing is known to have changed."""


class TooSlow(StoreUnavailable):
    """The database took longer than it may: its own time limit for a statement, or ours."""


class Interrupted(StoreUnavailable):
    """The database ended a transaction of ours in its middle: an outage, or too heavy a one."""


class TooHeavy(TaskEngineError):
    """A transaction asks more of the database than one may, and the database as such answers: it
    is to be split, never repeated as it is."""


class Blocked(StoreUnavailable):
    """Somebody holds a lock that a transaction needs for longer than it may wait."""


class HeldUp(TooHeavy):
    """Somebody holds a lock that the transaction needs: without what is locked it could go on."""


class OutcomeUnknown(StoreUnavailable):
    """The database was lost at the commit: what was asked may have been done, or not (rule 4)."""


class BadInput(TaskEngineError):
    """The request cannot be served as it is; the message names the field and what was expected."""


class Misconfigured(BadInput):
    """Settings cannot be used: a line for each problem, with where it is and what was expected."""


class NotFound(TaskEngineError):
    """There is no such thing."""


class FenceMoved(TaskEngineError):
    """The attempt is no longer the task's current one."""


class PermanentFailure(TaskEngineError):
    """An action's way to say that another try would fail as well."""
