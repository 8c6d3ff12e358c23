"""What people ask of the store who look at the engine: who runs what, what waits, how far a job is.

Each question costs what it shows, however many jobs there are (rule 27).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from taskengine.model import JsonText, LogLine, Task, TaskState
from taskengine.policy import Band


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """The tasks of a job taken together. `done` is how many are done, a task at work counting for
    as much as it has done; the times are those of the first start and the last end."""

    counts: Mapping[TaskState, int] = field(default_factory=dict)
    done: float = 0.0
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def number(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class InstanceView:
    """An instance, how long it may be silent (seconds), and how many tasks it runs."""

    id: int
    name: str
    joined_at: datetime
    lease: float
    dead: bool
    working: int
    queues: Sequence[str]  # that it serves
    workflows: str | None = None  # a digest of its workflow files; None: it has not said


@dataclass(frozen=True, slots=True)
class TaskAtWork:
    """A task that an instance runs, with what tells whose it is."""

    task: Task
    instance: int
    client: str
    workflow: str
    content_id: str | None


@dataclass(frozen=True, slots=True)
class HourOfEnds:
    """How many jobs ended in the hour that begins then, and how many of them failed."""

    hour: datetime
    ended: int = 0
    failed: int = 0


def hour_of(moment: datetime) -> datetime:
    """When the hour of a moment began."""
    return moment.replace(minute=0, second=0, microsecond=0)


class StoreOverview(Protocol):
    """The part of taskengine.store.Store that pages are made of."""

    async def some_tasks(
        self, job_id: int, limit: int, *, after: int = -1, state: TaskState | None = None
    ) -> Sequence[Task]:
        """Up to `limit` tasks of a job behind the place `after`, in order, without their results;
        with `state` those in this state alone."""
        ...

    async def task(self, job_id: int, name: str) -> Task | None:
        """One task of a job, without its result."""
        ...

    async def task_summary(self, job_id: int) -> TaskSummary: ...

    async def task_result(self, job_id: int, name: str, most: int) -> tuple[JsonText | None, int]:
        """What a task gave, and its size in bytes; None where it gave nothing, or more than `most`
        bytes."""
        ...

    async def last_lines(
        self, job_id: int, limit: int, *, show_all: bool = False, before: int | None = None
    ) -> Sequence[LogLine]:
        """The last lines of a job's log, or the last ones before the line `before`, in the order of
        their emission."""
        ...

    async def instances(self) -> Sequence[InstanceView]: ...

    async def at_work(self, limit: int, client: str | None = None) -> Sequence[TaskAtWork]:
        """Tasks that instances run, those that began first in front; of all clients or of one."""
        ...

    async def ends_since(self, start: datetime, client: str | None = None) -> Sequence[HourOfEnds]:
        """How many jobs came to their ends by themselves, in each hour from that of `start` on in
        which there were any; of all clients or of one. What was ended stays counted for a week,
        whatever becomes of the jobs."""
        ...

    async def slots_held(self) -> Mapping[tuple[str, Band], int]:
        """How many jobs hold slots, by client and band."""
        ...

    async def oldest_queued(self) -> datetime | None:
        """When the oldest job was made that waits for a slot."""
        ...

    async def snapshot_since(self) -> datetime | None:
        """Since when somebody's transaction, on whatever business, has kept the database from
        cleaning up what is dead; as far as the engine's role may see it."""
        ...

    async def lanes_dead(self) -> int:
        """How many lanes of callbacks were given up; counted up to 10,000."""
        ...

    async def oldest_waiting(self) -> Mapping[str, datetime]:
        """Of each queue, since when the task waits that was written first; those that wait for a
        retry aside."""
        ...
