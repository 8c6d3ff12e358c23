"""Bulk operations: a step is a transaction over some jobs and the operation's own row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from taskengine.model import BadInput, JobState, NotFound
from taskengine.operations import (
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
from taskengine.store.operations import BulkStep
from taskengine.store.postgres.change import Effects, JobChange, change_of, found_in, write_changes
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.rerunning import rerun_with, retry_with
from taskengine.store.postgres.rows import SQL, Row, columns, dumped, job_of
from taskengine.store.postgres.submit import prepare
from taskengine.store.types import Cursor, JobFilter

Refused = list[tuple[int, str]]  # jobs, and why they were not changed


async def start(connection: Connection, one: BulkOperation) -> BulkOperation:
    """See Store.start_operation. The client's scope is locked, so that it begins one at a time."""
    await connection.execute(SQL["lock_scope"], one.client)
    check_room(await connection.fetchval(SQL["operations_under_way"], one.client))
    given = (one.client, one.action.value, _filter_text(one.wanted), dumped(one.values))
    rest = (one.dry_run, one.created_at, one.state.value)
    return operation_of(await connection.fetchrow(SQL["start_operation"], *given, *rest))


async def claim(connection: Connection, now: datetime, lease: timedelta) -> BulkOperation | None:
    """See Store.claim_operation."""
    row = await connection.fetchrow(SQL["claim_operation"], now, now + lease)
    return None if row is None else operation_of(row)


async def advance(
    connection: Connection, step: BulkStep, now: datetime, lease: timedelta, writer: int
) -> BulkOperation | None:
    """See Store.advance_operation."""
    found = await _locked(connection, step.operation.id)
    if found.claim != step.operation.claim or found.state is not step.operation.state:
        return None
    match found.state:
        case BulkState.COUNTING:
            after = found.counted(len(step.jobs), step.cursor, now)
        case BulkState.RUNNING:
            done, failed = await _change_jobs(connection, found, step, now, writer)
            after = found.stepped(done, failed, step.cursor, now)
        case _:
            number = await _take_back(connection, found, step.jobs, now, writer)
            after = found.reverted(number, step.cursor)
    await _put(connection, after, now + lease)
    return after


async def abort(connection: Connection, number: int, now: datetime) -> BulkOperation:
    """See Store.abort_operation."""
    after = (await _locked(connection, number)).aborted(now)
    await _put(connection, after, None)
    return after


async def undo(connection: Connection, number: int, now: datetime) -> BulkOperation:
    """See Store.undo_operation."""
    after = (await _locked(connection, number)).undoing(now)
    await _put(connection, after, None)
    return after


async def forget(connection: Connection, now: datetime) -> None:
    """See Store.forget_operations."""
    await connection.execute(SQL["forget_changed"], now - UNDO_TIME)
    await connection.execute(SQL["forget_operations"], now - KEPT)


async def _locked(connection: Connection, number: int) -> BulkOperation:
    row = await connection.fetchrow(SQL["lock_operation"], number)
    if row is None:
        raise NotFound(f"there is no operation {number}")
    return operation_of(row)


async def _put(connection: Connection, one: BulkOperation, held_until: datetime | None) -> None:
    cursor = one.cursor or Cursor(None, 0)
    at = cursor.value if isinstance(cursor.value, datetime) else None
    counts = (one.matched, one.done, one.skipped, one.undone, dumped(list(one.errors)))
    place = (cursor.id if one.cursor else None, at)
    fence = (one.ended_at, held_until, one.claim)
    await connection.execute(SQL["put_operation"], one.id, one.state.value, *place, *counts, *fence)


async def _change_jobs(
    connection: Connection, one: BulkOperation, step: BulkStep, now: datetime, writer: int
) -> tuple[int, Refused]:
    """How many jobs were changed; the others, and why not."""
    effects = Effects()
    how = _run_again if one.action in AGAIN else _update
    failed = await how(connection, one, step, now, effects)
    await effects.write(connection, writer, now)
    return len(step.jobs) - len(failed), failed


async def _update(
    connection: Connection, one: BulkOperation, step: BulkStep, now: datetime, effects: Effects
) -> Refused:
    """As one update of each job would, but that all are locked, and then written, together."""
    rows = await connection.fetch(SQL["lock_for_change"], step.jobs)
    found = {row["id"]: row for row in rows}
    changed: list[JobChange] = []
    failed: Refused = []
    for job_id in sorted(step.jobs):
        try:
            step.check(job_id)
            changed.append(change_of(found_in(found, job_id), changes_of(one), now))
        except (BadInput, NotFound) as error:  # one that is refused costs no other
            failed.append((job_id, str(error)))
    if one.action in UNDOABLE and changed:
        known = [(change.before.id, change.before.priority) for change in changed]
        await connection.execute(SQL["remember_changed"], one.id, *columns(known, 2))
    await write_changes(connection, changed, [one.line], now, effects)
    return failed


async def _run_again(
    connection: Connection, one: BulkOperation, step: BulkStep, now: datetime, effects: Effects
) -> Refused:
    """One after the other, each within a savepoint: it may be refused after it was written."""
    failed: Refused = []
    await connection.execute(SQL["lock_jobs"], sorted(step.jobs))
    again = rerun_with if one.action is BulkAction.RERUN else retry_with
    for job_id in sorted(step.jobs):
        own = Effects()
        await connection.execute(SQL["before_one"])
        try:
            step.check(job_id)
            anew = step.anew.get(job_id)
            [prepared] = [None] if anew is None else prepare([anew])
            await again(connection, job_id, [one.line], now, prepared, own)
        except (BadInput, NotFound) as error:  # one that is refused costs no other
            await connection.execute(SQL["without_one"])
            failed.append((job_id, str(error)))
        else:
            effects.add(own)
    return failed


async def _take_back(
    connection: Connection, one: BulkOperation, jobs: Sequence[int], now: datetime, writer: int
) -> int:
    """How many jobs are again as they were: those that were not changed otherwise since."""
    effects = Effects()
    rows = await connection.fetch(SQL["changed_before"], one.id, list(jobs))
    before = {row["job_id"]: row["priority"] for row in rows}
    changed = [
        change_of(row, changes, now)
        for row in await connection.fetch(SQL["lock_for_change"], list(before))
        if (changes := undoing_of(one, job_of(row), before[row["id"]]))
    ]
    await write_changes(connection, changed, [one.line], now, effects)
    await effects.write(connection, writer, now)
    return len(changed)


def operation_of(row: Row) -> BulkOperation:
    place, at = row["cursor_id"], row["cursor_at"]
    return BulkOperation(
        client=row["client"],
        action=BulkAction(row["action"]),
        wanted=_filter_of(row["wanted"]),
        created_at=row["created_at"],
        values=json.loads(row["values"]),
        dry_run=row["dry_run"],
        top=row["top"],
        id=row["id"],
        state=BulkState(row["state"]),
        cursor=None if place is None else Cursor(at or place, place),
        matched=row["matched"],
        done=row["done"],
        skipped=row["skipped"],
        undone=row["undone"],
        errors=[(job_id, why) for job_id, why in json.loads(row["errors"])],
        ended_at=row["ended_at"],
        claim=row["claim"],
    )


def _filter_text(wanted: JobFilter) -> str:
    return dumped(
        {
            "order_by": wanted.order_by,
            "ascending": wanted.ascending,
            "states": [int(state) for state in wanted.states],
            "failed": wanted.failed,
            "since": wanted.since and wanted.since.isoformat(),
            "until": wanted.until and wanted.until.isoformat(),
            "search": wanted.search,
            "job_ids": list(wanted.job_ids),
            "client": wanted.client,
        }
    )


def _filter_of(text: str) -> JobFilter:
    given = json.loads(text)
    times = {
        name: given[name] and datetime.fromisoformat(given[name]) for name in ("since", "until")
    }
    states = [JobState(number) for number in given["states"]]
    return JobFilter(**{**given, **times, "states": states})
