"""The one door to what the engine knows. Methods are named by intent; time is an argument.

Each method is atomic and may be repeated after a lost answer: a submission by its request id, a
claim by its claim id, every write of an attempt by its fence. All raise StoreUnavailable when
the database cannot be reached. MemoryStore is the executable specification of PostgresStore;
`tests/contract` holds both to the same promises.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from taskengine.model import (
    Attempt,
    Client,
    Delivery,
    Fence,
    Job,
    JobDetails,
    JobState,
    JsonObject,
    Lane,
    LogLine,
    Record,
    Recorded,
    Submission,
)


class Dismissed(Exception):
    """The instance was declared dead: it cancels everything and joins under a new id (rule 3)."""


@dataclass(frozen=True, slots=True)
class Beat:
    """What an instance learns at its heartbeat."""

    held: frozenset[Fence]  # the attempts that the store says it runs
    unwanted: frozenset[Fence]  # those of them whose jobs are over: to be cancelled


@dataclass(frozen=True, slots=True)
class Claimed:
    attempts: Sequence[Attempt]
    next_due: datetime | None  # when the earliest retry of the queue falls due


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list, and how (contract, GET /jobs)."""

    limit: int = 10
    order_by: str = "id"
    ascending: bool = False
    states: Collection[JobState] = ()  # none: all but refused and broken ones
    failed: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    search: str | None = None
    job_ids: Sequence[int] = ()
    client: str | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over all instances: jobs by (state, failed), tasks that wait by queue, and ended."""

    jobs: Mapping[tuple[JobState, bool], int] = field(default_factory=dict)
    queued: Mapping[str, int] = field(default_factory=dict)
    tasks_processed: int = 0
    tasks_failed: int = 0


class Store(Protocol):
    # Instances: presence and fences
    async def join(self, name: str, now: datetime) -> int:
        """A new instance; the answer is its id."""
        ...

    async def leave(self, instance: int, now: datetime) -> None:
        """Hand back what the instance still holds, and forget it."""
        ...

    async def beat(self, instance: int) -> Beat:
        """Raises Dismissed if peers declared the instance dead."""
        ...

    async def beats(self) -> Mapping[int, int]:
        """The heartbeat counter of each instance."""
        ...

    async def rescue(self, instance: int, beat: int, now: datetime) -> Recorded | None:
        """Queue again what a dead instance held; None if it moved since `beat` was read.

        A task rescued more than MAX_RESCUES times fails: it kills its hosts.
        """
        ...

    # Clients and settings
    async def client(self, name: str) -> Client | None: ...

    async def clients(self) -> Sequence[Client]: ...

    async def put_client(self, client: Client, *, bootstrap: bool = False) -> bool:
        """Make or replace a client; with `bootstrap` only if there is none at all."""
        ...

    async def remove_client(self, name: str) -> bool: ...

    async def settings(self, client: str) -> Mapping[str, str]:
        """The settings stored for a client, or for the system (policy.SYSTEM)."""
        ...

    async def put_setting(self, client: str, name: str, value: str) -> None: ...

    # Jobs
    async def submit(self, batch: Sequence[Submission], now: datetime) -> Sequence[int]:
        """Record jobs; the answer holds their ids in order. One that was recorded before keeps
        its id. Raises BadInput for the whole batch if the database refuses its data."""
        ...

    async def definition(self, digest: str) -> JsonObject | None:
        """The content of a workflow as jobs keep it."""
        ...

    async def job(self, job_id: int) -> JobDetails | None: ...

    async def jobs(self, wanted: JobFilter) -> Sequence[Job]: ...

    def log(self, job_id: int, *, show_all: bool = False) -> AsyncIterator[Sequence[LogLine]]:
        """The job's lines in the order of their emission, in pages."""
        ...

    async def unfinished(self, job_ids: Collection[int]) -> frozenset[int]:
        """Which of these jobs may still need their workspace."""
        ...

    async def totals(self) -> Totals: ...

    # Work
    async def queue_due(self, now: datetime) -> tuple[int, datetime | None]:
        """Queue the scheduled jobs that are due; how many, and when the next one is due."""
        ...

    async def admit(self, instance: int, now: datetime, limit: int = 500) -> int:
        """Start queued jobs as far as the slots reach and write their tasks; how many."""
        ...

    async def claim(
        self,
        instance: int,
        queue: str,
        actions: Collection[str],
        limit: int,
        claim_id: uuid.UUID,
        now: datetime,
    ) -> Claimed:
        """Take queued tasks with one of these actions, the best first. Raises Dismissed."""
        ...

    async def record(self, instance: int, records: Sequence[Record], now: datetime) -> Recorded:
        """Write what attempts did, in order: their log lines, progress, starts and ends, with all
        that follows from an end: retries, tasks that can go on, the job's end, callbacks."""
        ...

    async def current(self, instance: int, fence: Fence) -> bool:
        """Whether an attempt may still publish."""
        ...

    # Callbacks
    async def claim_lanes(
        self, instance: int, limit: int, busy_hosts: Collection[str], now: datetime
    ) -> tuple[Sequence[Lane], datetime | None]:
        """Lanes with something due, each for this instance alone; and when the next is due."""
        ...

    async def deliver(self, instance: int, deliveries: Sequence[Delivery]) -> None:
        """Write what became of deliveries and let go of their lanes."""
        ...

    # Wake-ups between instances
    async def announce(self, topics: Collection[str]) -> None: ...

    def listen(self) -> AsyncIterator[str]:
        """Topics that instances announce; ends or raises when the connection is lost."""
        ...
