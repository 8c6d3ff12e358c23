"""What the store is asked of bulk operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from taskengine.model import BadInput, Submission
from taskengine.operations import BulkOperation
from taskengine.store.types import Cursor


@dataclass(frozen=True, slots=True)
class BulkStep:
    """The next jobs of an operation, and where it goes on; None: nowhere. `anew` is what the
    definition in force makes of jobs that run again by it; `refused` jobs are skipped, and why."""

    operation: BulkOperation
    jobs: Sequence[int] = ()
    cursor: Cursor | None = None
    anew: Mapping[int, Submission] = field(default_factory=dict)
    refused: Mapping[int, str] = field(default_factory=dict)

    def check(self, job_id: int) -> None:
        """Raises BadInput for a job that is to be skipped."""
        if job_id in self.refused:
            raise BadInput(self.refused[job_id])


class StoreOperations(Protocol):
    """The part of taskengine.store.Store for bulk operations. A step is one transaction: what it
    does to jobs, and how far the operation has come by that."""

    async def start_operation(self, operation: BulkOperation) -> BulkOperation:
        """Record it, with its id. Raises BadInput where its client has too many under way."""
        ...

    async def operation(self, number: int) -> BulkOperation | None: ...

    async def operations(self, client: str | None = None) -> Sequence[BulkOperation]:
        """The latest 100, of one client or of all."""
        ...

    async def claim_operation(self, now: datetime, lease: timedelta) -> BulkOperation | None:
        """One that is under way, for the caller alone until the lease is over; the one that was
        claimed least often, so that a long one holds up no other."""
        ...

    async def advance_operation(
        self, step: BulkStep, now: datetime, lease: timedelta
    ) -> BulkOperation | None:
        """Count, change or take back the changes of the jobs of a step; the operation after it,
        whose lease begins anew; one of no length gives it up. None: it was aborted, or somebody
        else has claimed it."""
        ...

    async def changed_jobs(self, operation: BulkOperation, limit: int) -> Sequence[int]:
        """The next jobs whose changes are to be taken back, by id."""
        ...

    async def abort_operation(self, number: int, now: datetime) -> BulkOperation:
        """What is done stays done. Raises NotFound, BadInput."""
        ...

    async def undo_operation(self, number: int, now: datetime) -> BulkOperation:
        """Begin to take its changes back. Raises NotFound, BadInput."""
        ...

    async def forget_operations(self, now: datetime) -> None:
        """Remove what is too old to be undone or looked at."""
        ...
