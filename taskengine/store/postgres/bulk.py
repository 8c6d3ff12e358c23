"""What the store in PostgreSQL is asked of bulk operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from taskengine.operations import BulkOperation
from taskengine.store.operations import BulkStep
from taskengine.store.postgres import operations
from taskengine.store.postgres.runner import Runner


@dataclass(slots=True)
class StoredOperations(Runner):
    """See taskengine.store.operations.StoreOperations."""

    async def start_operation(self, operation: BulkOperation) -> BulkOperation:
        return await self._do(operations.start, operation)

    async def operation(self, number: int) -> BulkOperation | None:
        rows = await self._fetch("operation", number)
        return operations.operation_of(rows[0]) if rows else None

    async def operations(self, client: str | None = None) -> Sequence[BulkOperation]:
        given = ("operations",) if client is None else ("operations_of", client)
        return [operations.operation_of(row) for row in await self._fetch(*given)]

    async def claim_operation(self, now: datetime, lease: timedelta) -> BulkOperation | None:
        return await self._do(operations.claim, now, lease)

    async def advance_operation(
        self, step: BulkStep, now: datetime, lease: timedelta
    ) -> BulkOperation | None:
        arguments = (step, now, lease, self.writer)
        return await self._do(operations.advance, *arguments, divisible=True)

    async def changed_jobs(self, operation: BulkOperation, limit: int) -> Sequence[int]:
        after = operation.cursor.id if operation.cursor else 0
        rows = await self._fetch("changed_jobs", operation.id, after, limit)
        return [row["job_id"] for row in rows]

    async def abort_operation(self, number: int, now: datetime) -> BulkOperation:
        return await self._do(operations.abort, number, now)

    async def undo_operation(self, number: int, now: datetime) -> BulkOperation:
        return await self._do(operations.undo, number, now)

    async def forget_operations(self, now: datetime) -> None:
        await self._do(operations.forget, now)
