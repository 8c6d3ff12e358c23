"""Bulk operations in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from taskengine.model import BadInput, NotFound
from taskengine.operations import (
    ACTIVE,
    AGAIN,
    KEPT,
    UNDO_TIME,
    UNDOABLE,
    BulkAction,
    BulkOperation,
    BulkState,
    changes_of,
    check_room,
    undoing_of,
)
from taskengine.store.memory.change import change
from taskengine.store.memory.rerunning import rerun, retry
from taskengine.store.memory.rows import OperationRow
from taskengine.store.memory.tables import Tables
from taskengine.store.operations import BulkStep


def start(tables: Tables, one: BulkOperation) -> BulkOperation:
    rows = [row.operation for row in tables.operations.values()]
    check_room(sum(row.client == one.client and row.state in ACTIVE for row in rows))
    known = replace(one, id=tables.next_id("operation"), top=max(tables.jobs, default=0))
    tables.operations[known.id] = OperationRow(known)
    return known


def operation(tables: Tables, number: int) -> BulkOperation | None:
    row = tables.operations.get(number)
    return row.operation if row else None


def operations(tables: Tables, client: str | None = None) -> Sequence[BulkOperation]:
    found = [row.operation for row in tables.operations.values()]
    return [one for one in reversed(found) if client in (None, one.client)][:100]


def claim(tables: Tables, now: datetime, lease: timedelta) -> BulkOperation | None:
    rows = [row for row in tables.operations.values() if row.operation.state in ACTIVE]
    free = [row for row in rows if row.held_until is None or row.held_until <= now]
    if not free:
        return None
    row = min(free, key=lambda one: (one.operation.claim, one.operation.id))
    row.operation = replace(row.operation, claim=row.operation.claim + 1)
    row.held_until = now + lease
    return row.operation


def advance(
    tables: Tables, step: BulkStep, now: datetime, lease: timedelta
) -> BulkOperation | None:
    row = _row(tables, step.operation.id)
    found = row.operation
    if found.claim != step.operation.claim or found.state is not step.operation.state:
        return None
    match found.state:
        case BulkState.COUNTING:
            row.operation = found.counted(len(step.jobs), step.cursor, now)
        case BulkState.RUNNING:
            done, failed = _change_jobs(tables, row, step, now)
            row.operation = found.stepped(done, failed, step.cursor, now)
        case _:
            number = _take_back(tables, row, step.jobs, now)
            row.operation = found.reverted(number, step.cursor)
    row.held_until = now + lease
    return row.operation


def changed_jobs(tables: Tables, one: BulkOperation, limit: int) -> Sequence[int]:
    after = one.cursor.id if one.cursor else 0
    return sorted(job_id for job_id in _row(tables, one.id).changed if job_id > after)[:limit]


def abort(tables: Tables, number: int, now: datetime) -> BulkOperation:
    row = _row(tables, number)
    row.operation, row.held_until = row.operation.aborted(now), None
    return row.operation


def undo(tables: Tables, number: int, now: datetime) -> BulkOperation:
    row = _row(tables, number)
    row.operation, row.held_until = row.operation.undoing(now), None
    return row.operation


def forget(tables: Tables, now: datetime) -> None:
    for number, row in list(tables.operations.items()):
        one = row.operation
        if one.ended_at is None or one.state in ACTIVE:
            continue
        if one.ended_at < now - UNDO_TIME:
            row.changed.clear()
        if one.ended_at < now - KEPT:
            del tables.operations[number]


def _row(tables: Tables, number: int) -> OperationRow:
    if number not in tables.operations:
        raise NotFound(f"there is no operation {number}")
    return tables.operations[number]


def _change_jobs(
    tables: Tables, row: OperationRow, step: BulkStep, now: datetime
) -> tuple[int, list[tuple[int, str]]]:
    done, failed = 0, []
    for job_id in sorted(step.jobs):
        try:
            before = tables.job(job_id).job.priority
            _change_one(tables, row.operation, step, job_id, now)
        except (BadInput, NotFound) as error:
            failed.append((job_id, str(error)))
            continue
        done += 1
        if row.operation.action in UNDOABLE:
            row.changed.setdefault(job_id, before)
    return done, failed


def _change_one(
    tables: Tables, one: BulkOperation, step: BulkStep, job_id: int, now: datetime
) -> None:
    step.check(job_id)
    if one.action not in AGAIN:
        change(tables, job_id, changes_of(one), [one.line], now)
        return
    again = rerun if one.action is BulkAction.RERUN else retry
    again(tables, job_id, [one.line], now, step.anew.get(job_id))


def _take_back(tables: Tables, row: OperationRow, jobs: Sequence[int], now: datetime) -> int:
    number = 0
    for job_id in sorted(row.changed.keys() & set(jobs) & tables.jobs.keys()):
        job = tables.jobs[job_id].job
        if changes := undoing_of(row.operation, job, row.changed[job_id]):
            change(tables, job_id, changes, [row.operation.line], now)
            number += 1
    return number
