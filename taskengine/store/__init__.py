"""The one door to what the engine knows. Methods are named by intent; time is an argument.

Each method is atomic and may be repeated after a lost answer: a submission by its request id, a
claim by its claim id, every write of an attempt by its fence. All raise StoreUnavailable when
the database cannot be reached.

`Store` (with `reads.py`, what is only read, `overview.py`, what people look at, `upkeep.py`, what
recurs, `operations.py`, `pauses.py` and `forecasts.py`) is the interface.
`postgres/` is the real one: a module for each subject, whose SQL stands in `sql/`, run by way of
its `runner.py` and `connections.py`. `memory/` is its executable specification, by the same
subjects: `taskengine.testing.contract` holds both to the same promises. `completion.py` and
`log_retention.py` have the rules that both follow, `types.py` what is asked and answered.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from taskengine.model import (
    Client,
    Fence,
    Lane,
    LaneFence,
    LaneResult,
    Record,
    Recorded,
    Submission,
)
from taskengine.store.forecasts import StoreForecasts
from taskengine.store.operations import StoreOperations
from taskengine.store.overview import StoreOverview
from taskengine.store.pauses import StorePauses
from taskengine.store.reads import StoreReads
from taskengine.store.types import (
    BEFORE,
    NOTHING_AHEAD,
    Admitted,
    Ahead,
    Beat,
    Changed,
    Claimed,
    Cleared,
    Cursor,
    Deaf,
    Dismissed,
    Gate,
    GateAnswer,
    JobFilter,
    Lines,
    Mark,
    News,
    OldJob,
    Page,
    Settled,
    Totals,
    Wanted,
)
from taskengine.store.upkeep import Upkeep

__all__ = [
    "BEFORE",
    "NOTHING_AHEAD",
    "Admitted",
    "Ahead",
    "Beat",
    "Changed",
    "Claimed",
    "Cleared",
    "Cursor",
    "Deaf",
    "Dismissed",
    "Gate",
    "GateAnswer",
    "JobFilter",
    "Lines",
    "Mark",
    "News",
    "OldJob",
    "Page",
    "Settled",
    "Store",
    "Totals",
    "Wanted",
]


class Store(
    StoreReads, StoreOverview, Upkeep, StoreOperations, StorePauses, StoreForecasts, Protocol
):
    # Instances: heartbeat and fences
    async def join(
        self, name: str, now: datetime, lease: float = 0.0, process: uuid.UUID | None = None
    ) -> int:
        """A new instance, with its own lease in seconds and the process that it is, in the words
        of its witness; the answer is its id."""
        ...

    async def leave(self, instance: int, now: datetime, *, fallen: bool = False) -> None:
        """Hand back what the instance still holds, and forget it. What a fallen one holds counts as
        rescued."""
        ...

    async def offer(self, instance: int, queue: str, actions: Collection[str]) -> None:
        """Say which tasks the instance runs. Raises Dismissed."""
        ...

    async def put_workflows(self, instance: int, digest: str) -> None:
        """Say which workflow files the instance has."""
        ...

    async def beat(self, instance: int) -> Beat:
        """Raises Dismissed if peers declared the instance dead."""
        ...

    async def beats(self) -> Mapping[int, int | None]:
        """The heartbeat counter of each instance; None: it is known to be dead."""
        ...

    async def leases(self) -> Mapping[int, float]:
        """How long each instance may be silent at its own reckoning, in seconds."""
        ...

    async def declare_dead(self, process: uuid.UUID) -> None:
        """Say that a process was seen to end, and tell the peers of it (Topic.DEATH): whatever
        instance it was is dead, and never beats again."""
        ...

    async def rescue(self, instance: int, beat: int | None, now: datetime) -> Recorded | None:
        """Queue again what a dead instance held; None if it moved since `beat` was read.

        A task rescued more than MAX_RESCUES times fails: it kills its hosts.
        """
        ...

    async def mark_over(self, instance: int, fences: Collection[Fence]) -> None:
        """The actions of these attempts, and of no others, are over and their ends not written yet:
        should the instance die, they do not count as rescued."""
        ...

    # Clients and settings
    async def client(self, name: str) -> Client | None: ...

    async def clients(self) -> Sequence[Client]: ...

    async def clients_named(self, names: Collection[str]) -> Sequence[Client]:
        """Those of them that there are."""
        ...

    async def put_client(
        self, client: Client, *, bootstrap: bool = False, new: bool = False
    ) -> bool:
        """Make or replace a client; with `bootstrap` only if there is none at all, with `new` only
        if there is none of its name. Whether it was done."""
        ...

    async def remove_client(self, name: str) -> bool:
        """Remove a client and its schedules; whether there was one. Its jobs go on; its settings
        go with the last of them."""
        ...

    async def settings(self, client: str) -> Mapping[str, str]:
        """The settings stored for a client, or for the system (policy.SYSTEM)."""
        ...

    async def settings_by_client(self, clients: Collection[str]) -> Mapping[str, Mapping[str, str]]:
        """The settings of each of them that has any stored."""
        ...

    async def put_setting(self, client: str, name: str, value: str) -> None:
        """Raises BadInput (policy.check_number_of_settings)."""
        ...

    # Jobs
    async def submit(self, batch: Sequence[Submission], now: datetime) -> Sequence[int]:
        """Record jobs; the answer holds their ids in order. One that was recorded before keeps
        its id, and one with a key that its client has used gets the id of the job that has it,
        whatever that job's body was. Raises BadInput for the whole batch if the database refuses
        its data."""
        ...

    async def change(
        self, job_id: int, changes: Mapping[str, object], lines: Lines, now: datetime
    ) -> Changed:
        """Update fields of a job (changes.UPDATABLE); pausing, resuming and breaking too.

        Raises NotFound, and BadInput for what its state does not allow.
        """
        ...

    async def rerun(
        self, job_id: int, lines: Lines, now: datetime, anew: Submission | None = None
    ) -> int:
        """Break a job and submit it anew, once; the answer is the new job's id. The new job
        waits until no task of the original runs any more. It has the original's definition and
        parameters, or those of `anew`. Raises NotFound, BadInput."""
        ...

    async def retry(
        self, job_id: int, lines: Lines, now: datetime, anew: Submission | None = None
    ) -> int:
        """Run a job that failed or was stopped again, once, from the tasks that did not complete;
        the answer is the new job's id. It has the results of those that did and uses the
        original's workspace. By the definition of `anew` a task that this says otherwise, and what
        needs it, runs too (continuing.kept_tasks). Raises NotFound, BadInput."""
        ...

    # Gates
    async def claim_gates(
        self, limit: int, busy_hosts: Collection[str], now: datetime, lease: timedelta
    ) -> tuple[Sequence[Gate], datetime | None]:
        """Gates to be asked now, for the caller alone as long as `lease`, and when the next one is
        due. A few for each host, none for a busy one."""
        ...

    async def answer_gates(self, answers: Sequence[GateAnswer]) -> int:
        """Write what gates said; jobs that have changed since stay as they are. How many jobs
        were queued."""
        ...

    # Work
    async def queue_due(self, now: datetime) -> tuple[int, datetime | None]:
        """Queue the scheduled jobs that are due; how many, and when the next one is due."""
        ...

    async def admit(self, instance: int, now: datetime, limit: int = 500) -> Admitted:
        """Start up to `limit` queued jobs, the best first, as far as the slots reach, and write
        their tasks: one job's, or those of as many as have TASKS_EACH on the average."""
        ...

    async def claim(
        self,
        instance: int,
        queue: str,
        actions: Collection[str],
        limit: int,
        claim_id: uuid.UUID,
        now: datetime,
        ahead: Ahead = NOTHING_AHEAD,
        contested: bool = True,
    ) -> Claimed:
        """Take queued tasks with one of these actions, the best first: up to `limit`, and some
        ahead. Should the instance die before one of the latter began, its loss does not count as a
        rescue. Where the claim is not `contested`, no other instance is thought to hold the locks
        of tasks. Raises Dismissed."""
        ...

    async def record(
        self, instance: int, records: Sequence[Record], now: datetime, *, wait: bool = True
    ) -> Recorded:
        """Write what attempts did, in order: their log lines, progress, starts and ends, with all
        that follows from an end: retries, tasks that can go on, the job's end, callbacks. Without
        `wait`, a lock that somebody holds is not waited for. Raises BadInput; a patient store
        TooHeavy and HeldUp."""
        ...

    async def current(self, instance: int, fence: Fence) -> bool:
        """Whether an attempt may still publish."""
        ...

    # Callbacks
    async def claim_lanes(
        self,
        instance: int,
        limit: int,
        busy_hosts: Collection[str],
        now: datetime,
        quick_hosts: Collection[str] = (),
    ) -> tuple[Sequence[Lane], datetime | None]:
        """Lanes with something due, each for this instance alone, and when the next one is: a few
        for each host, none for a busy one, many for one that answers quickly."""
        ...

    async def release_lanes(
        self, instance: int, lanes: Collection[LaneFence], now: datetime
    ) -> None:
        """Give up lanes that the instance holds and does not deliver."""
        ...

    async def deliver(
        self, instance: int, results: Sequence[LaneResult], *, wait: bool = True
    ) -> None:
        """Write the results of lanes, one each, and let go of these; those of an outdated claim
        are refused. `wait` and what a patient store raises are as with record()."""
        ...

    async def replay(self, callback_id: int, now: datetime) -> None:
        """Reopen the lane of a callback: it is sent now, in order, with all tries anew. One that
        was delivered is sent again, before what still waits. Raises NotFound."""
        ...

    # Wake-ups between instances
    async def announce(self, topics: Collection[str]) -> None: ...

    def listen(self) -> AsyncIterator[str]:
        """Topics that instances announce; ends or raises when the connection is lost, Deaf where
        none can arrive."""
        ...
