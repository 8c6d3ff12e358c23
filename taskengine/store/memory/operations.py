"""Bulk operations in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import trio

from taskengine.model import BadInput, NotFound
from taskengine.operations import (
    ACTIVE,
    KEPT,
    UNDO_TIME,
    UNDOABLE,
    BulkAction,
    BulkOperation,
    BulkState,
    changes_of,
    undoing_of,
)
from taskengine.store.memory.rerunning import MemoryReruns
from taskengine.store.operations import BulkStep


@dataclass(slots=True)
class OperationRow:
    operation: BulkOperation
    held_until: datetime | None = None
    changed: dict[int, int] = field(default_factory=dict)  # jobs with the priorities they had


class MemoryOperations(MemoryReruns):
    """See taskengine.store.operations.StoreOperations."""

    def __init__(self) -> None:
        super().__init__()
        self._operations: dict[int, OperationRow] = {}

    async def start_operation(self, operation: BulkOperation) -> BulkOperation:
        await trio.lowlevel.checkpoint()
        known = replace(operation, id=self._next("operation"), top=max(self._jobs, default=0))
        self._operations[known.id] = OperationRow(known)
        return known

    async def operation(self, number: int) -> BulkOperation | None:
        await trio.lowlevel.checkpoint()
        row = self._operations.get(number)
        return row.operation if row else None

    async def operations(self, client: str | None = None) -> Sequence[BulkOperation]:
        await trio.lowlevel.checkpoint()
        found = [row.operation for row in self._operations.values()]
        return [one for one in reversed(found) if client in (None, one.client)][:100]

    async def claim_operation(self, now: datetime, lease: timedelta) -> BulkOperation | None:
        await trio.lowlevel.checkpoint()
        free = [
            row
            for row in self._operations.values()
            if row.operation.state in ACTIVE and (row.held_until is None or row.held_until <= now)
        ]
        if not free:
            return None
        row = min(free, key=lambda one: one.held_until or one.operation.created_at)
        row.operation = replace(row.operation, claim=row.operation.claim + 1)
        row.held_until = now + lease
        return row.operation

    async def advance_operation(
        self, step: BulkStep, now: datetime, lease: timedelta
    ) -> BulkOperation | None:
        await trio.lowlevel.checkpoint()
        row = self._operation_row(step.operation.id)
        found = row.operation
        if found.claim != step.operation.claim or found.state is not step.operation.state:
            return None
        match found.state:
            case BulkState.COUNTING:
                row.operation = found.counted(len(step.jobs), step.cursor, now)
            case BulkState.RUNNING:
                done, failed = self._change_jobs(row, step, now)
                row.operation = found.stepped(done, failed, step.cursor, now)
            case _:
                number = self._take_back(row, step.jobs, now)
                row.operation = found.reverted(number, step.cursor)
        row.held_until = now + lease
        return row.operation

    async def changed_jobs(self, operation: BulkOperation, limit: int) -> Sequence[int]:
        await trio.lowlevel.checkpoint()
        after = operation.cursor.id if operation.cursor else 0
        changed = self._operation_row(operation.id).changed
        return sorted(job_id for job_id in changed if job_id > after)[:limit]

    async def abort_operation(self, number: int, now: datetime) -> BulkOperation:
        await trio.lowlevel.checkpoint()
        row = self._operation_row(number)
        row.operation, row.held_until = row.operation.aborted(now), None
        return row.operation

    async def undo_operation(self, number: int, now: datetime) -> BulkOperation:
        await trio.lowlevel.checkpoint()
        row = self._operation_row(number)
        row.operation, row.held_until = row.operation.undoing(now), None
        return row.operation

    async def forget_operations(self, now: datetime) -> None:
        await trio.lowlevel.checkpoint()
        for number, row in list(self._operations.items()):
            one = row.operation
            if one.ended_at is None or one.state in ACTIVE:
                continue
            if one.ended_at < now - UNDO_TIME:
                row.changed.clear()
            if one.ended_at < now - KEPT:
                del self._operations[number]

    def _operation_row(self, number: int) -> OperationRow:
        if number not in self._operations:
            raise NotFound(f"there is no operation {number}")
        return self._operations[number]

    def _change_jobs(
        self, row: OperationRow, step: BulkStep, now: datetime
    ) -> tuple[int, list[tuple[int, str]]]:
        done, failed = 0, []
        for job_id in sorted(step.jobs):
            try:
                before = self._known(job_id).job.priority
                self._change_one(row.operation, step, job_id, now)
            except (BadInput, NotFound) as error:
                failed.append((job_id, str(error)))
                continue
            done += 1
            if row.operation.action in UNDOABLE:
                row.changed.setdefault(job_id, before)
        return done, failed

    def _change_one(self, one: BulkOperation, step: BulkStep, job_id: int, now: datetime) -> None:
        if job_id in step.refused:
            raise BadInput(step.refused[job_id])
        if one.action not in (BulkAction.RERUN, BulkAction.RETRY):
            self._change(job_id, changes_of(one), [one.line], now)
            return
        anew = step.anew.get(job_id)
        again = self._rerun if one.action is BulkAction.RERUN else self._retry
        again(job_id, [one.line], now, anew)

    def _take_back(self, row: OperationRow, jobs: Sequence[int], now: datetime) -> int:
        number = 0
        for job_id in sorted(row.changed.keys() & set(jobs) & self._jobs.keys()):
            job = self._jobs[job_id].job
            if changes := undoing_of(row.operation, job, row.changed[job_id]):
                self._change(job_id, changes, [row.operation.line], now)
                number += 1
        return number
