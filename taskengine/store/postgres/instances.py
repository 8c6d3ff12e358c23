"""Instances: heartbeats, and what becomes of the work of those that left or died."""

from __future__ import annotations

import uuid
from datetime import datetime

from taskengine.model import Ended, Fence, Outcome, Recorded
from taskengine.store import Beat, Dismissed
from taskengine.store.completion import ENGINE_FELL, ENGINE_STOPPED, lost_with
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.record import lock_batch
from taskengine.store.postgres.rows import SQL


async def beat(connection: Connection, instance: int) -> Beat:
    """See Store.beat."""
    if await connection.fetchval(SQL["beat"], instance) is None:
        raise Dismissed(instance)
    rows = await connection.fetch(SQL["held"], instance)
    fences = {Fence(row["job_id"], row["id"], row["attempt"]): row["unwanted"] for row in rows}
    unwanted = frozenset(fence for fence, over in fences.items() if over)
    lanes = await connection.fetch(SQL["lanes_of_instance"], instance)
    return Beat(frozenset(fences), unwanted, frozenset((row["id"], row["claims"]) for row in lanes))


def testimony(process: uuid.UUID) -> str:
    """What a witness says of a process that has ended: one statement, which any session can run."""
    return SQL["declare_dead"].replace("$1", f"'{process}'::uuid")


async def leave(connection: Connection, instance: int, now: datetime, fallen: bool) -> None:
    """See Store.leave."""
    outcome = Outcome.LOST if fallen else Outcome.RELEASED
    if await connection.fetch(SQL["lock_instance"], instance):
        fate = ENGINE_FELL if fallen else ENGINE_STOPPED
        await _retire(connection, instance, outcome, fate, now)


async def rescue(
    connection: Connection, instance: int, beat: int | None, now: datetime
) -> Recorded | None:
    """See Store.rescue."""
    for row in await connection.fetch(SQL["lock_instance"], instance):
        if beat != (None if row["dead"] else row["beat"]):
            return None
        fate = lost_with(instance, row["name"], row["lease"], known=row["dead"])
        return await _retire(connection, instance, Outcome.LOST, fate, now, rescued=True)
    return None


async def _retire(
    connection: Connection,
    instance: int,
    outcome: Outcome,
    fate: str,
    now: datetime,
    *,
    rescued: bool = False,
) -> Recorded:
    """End what an instance holds and forget it, in statements after the lock of its row. What was
    claimed ahead and had not begun, or was over already, its end not written yet, counts as handed
    back."""
    rows = await connection.fetch(SQL["held_of_instance"], instance)
    batch = await lock_batch(
        connection, [Fence(row["job_id"], row["id"], 0) for row in rows], instance
    )
    marked = await connection.fetch(SQL["take_over"], instance)
    over = {(row["task_id"], row["attempt"]) for row in marked}
    unbegun = {row["id"] for row in rows if row["unbegun"]}
    for task_id in sorted(batch.held):
        task = batch.tasks[task_id]
        fence = Fence(task.job_id, task.id, task.attempt)
        is_over = (task.id, task.attempt) in over
        own = Outcome.RELEASED if is_over or task_id in unbegun else outcome
        end = Ended(fence, now, own, fate=fate)
        batch.end(batch.jobs[task.job_id], task, end, rescued=rescued)
    await connection.execute(SQL["release_lanes"], instance, now)
    recorded = await batch.write(connection, now, instance)
    await connection.execute(SQL["fold_counters"], instance)
    await connection.execute(SQL["fold_task_counters"], instance)
    await connection.execute(SQL["forget_instance"], instance)
    return recorded
