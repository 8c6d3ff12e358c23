"""What a store is asked and what it answers, beside the nouns of the model."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from taskengine.model import (
    Attempt,
    Fence,
    Job,
    JobState,
    LaneFence,
    Severity,
    StoreUnavailable,
)
from taskengine.texts import compact

MAX_INSPECTED = 20_000
BEFORE = ("id", "created_at")  # orders in which a job's id is its place
OldJob = tuple[datetime, int]  # a place in the order of ends: when it ended, and its id
Lines = Sequence[tuple[Severity, str, str]]  # severity, progname, message


class Dismissed(Exception):
    """The instance was declared dead: it cancels everything and joins under a new id (rule 3)."""


class Deaf(StoreUnavailable):
    """The database answers, but no announcement arrives: there is a pooler before it, say."""


@dataclass(frozen=True, slots=True)
class Beat:
    """What an instance learns at its heartbeat."""

    held: frozenset[Fence]  # the attempts that the store says it runs
    unwanted: frozenset[Fence]  # those of them whose jobs are over: to be cancelled
    lanes: frozenset[LaneFence]  # those that the store says it delivers


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a job's documents is looked at: the parameters with these names, or all; those that
    have one of the `hints`, texts in small letters, in name or value; results of these tasks, or
    of all."""

    names: Collection[str] | None = None
    hints: Collection[str] = ()
    results: Collection[str] | None = None

    def has(self, name: str, value: Any) -> bool:
        """Whether a parameter is looked at."""
        if self.names is None or name in self.names:
            return True
        text = f"{name}:{compact(value)}".lower()
        return any(hint in text for hint in self.hints)


@dataclass(frozen=True, slots=True)
class Ahead:
    """What may be claimed before a worker is free for it: so many tasks with these actions, none
    of which was tried before."""

    number: int
    actions: Collection[str]


NOTHING_AHEAD: Final = Ahead(0, ())


@dataclass(frozen=True, slots=True)
class Claimed:
    attempts: Sequence[Attempt]
    next_due: datetime | None  # of the earliest retry, where there were fewer than asked for


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list: behind the job that has this id, and this value of the order's key."""

    value: Any
    id: int


class Page(list[Job]):
    """Jobs in the order asked. `next` is where the list goes on: None at its end, and perhaps set
    where no job was found as far as the list was inspected."""

    next: Cursor | None = None


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list, and how (contract, GET /jobs)."""

    limit: int = 10
    order_by: str = "id"
    ascending: bool = False
    states: Collection[JobState] = ()  # none: all but refused ones
    failed: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    search: str | None = None
    job_ids: Sequence[int] = ()
    client: str | None = None
    before: int | None = None  # only jobs before this one; in the orders of BEFORE
    after: Cursor | None = None
    inspected: int = MAX_INSPECTED  # how many jobs, in the order asked (rule 27)

    @property
    def searched_id(self) -> int | None:
        """The job id that `search` may be; further pages are those of content ids."""
        text = self.search or ""
        is_id = text.isascii() and text.isdigit() and text[0] != "0" and len(text) < 19
        return int(text) if is_id and self.after is None else None

    def cursor(self, job: Job) -> Cursor:
        """The place behind a job."""
        return Cursor(getattr(job, self.order_by), job.id)


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over all instances: jobs by (state, failed), tasks that wait by queue, and ended."""

    jobs: Mapping[tuple[JobState, bool], int] = field(default_factory=dict)
    queued: Mapping[str, int] = field(default_factory=dict)
    tasks_processed: int = 0
    tasks_failed: int = 0


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of an update."""

    job: Job
    called: bool = False  # callbacks were written


@dataclass(frozen=True, slots=True)
class Admitted:
    """How many jobs were started."""

    number: int
    more: bool = False  # others may fit: all that were wanted did, or too many tasks were written
    waits: Sequence[float] = ()  # seconds for which they had been due, ascending


@dataclass(frozen=True, slots=True)
class Settled:
    """What a step of the cascades did."""

    edges: int = 0
    more: bool = False  # there is another step to do


@dataclass(frozen=True, slots=True)
class Cleared:
    """What a step of the clean-up did."""

    number: int  # of jobs that are gone
    last: OldJob | None  # after which the next step goes on; None: it was the last


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate to be asked; `answer` is what it said the last time."""

    job_id: int
    url: str
    failures: int
    answer: str | None


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """What a gate said. `due_at` is when it is asked again; None: it is open."""

    gate: Gate
    answer: str
    at: datetime
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Mark:
    """How far somebody has read what changes: up to this change, except for what transactions with
    lower numbers, `open` at the time, may have written since."""

    number: int
    job_id: int = 0
    open: tuple[int, ...] = ()

    @classmethod
    def read(cls, text: str) -> Mark:
        """What str() has written. Raises ValueError."""
        if not re.fullmatch(r"[0-9]{1,18}\.[0-9]{1,18}\.([0-9]{1,18}(,[0-9]{1,18}){0,999})?", text):
            raise ValueError(text)
        number, job_id, others = text.split(".")
        return cls(int(number), int(job_id), tuple(map(int, others.split(",") if others else ())))

    def covers(self, change: Change) -> bool:
        """Whether a change was read."""
        if not change.number or change.number in self.open:
            return False
        return (change.number, change.job.id) <= (self.number, self.job_id)

    def __str__(self) -> str:
        return f"{self.number}.{self.job_id}.{','.join(map(str, self.open))}"


@dataclass(frozen=True, slots=True)
class Change:
    """A job as it is now, its progress 0 to 100; `number` is that of its last change, or 0
    where nothing but its progress has changed."""

    job: Job
    progress: int
    number: int = 0


@dataclass(frozen=True, slots=True)
class News:
    """What has changed; `more` says that there may be more behind the mark at once."""

    changes: Sequence[Change]
    mark: Mark
    more: bool = False


def percent(state: JobState, done: float, number: int) -> int:
    """The progress of a job of so many tasks, each counting alike."""
    if number == 0:
        return 100 if state is JobState.COMPLETED else 0
    return int(100 * done / number)
