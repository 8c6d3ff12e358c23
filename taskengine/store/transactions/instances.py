"""Instances: heartbeats, and what becomes of the work of those that left or died."""

from __future__ import annotations

from datetime import datetime

from taskengine.model import Ended, Fence, Outcome, Recorded
from taskengine.store import Beat, Dismissed
from taskengine.store.connections import Connection
from taskengine.store.transactions.record import lock_batch
from taskengine.store.transactions.rows import SQL


async def beat(connection: Connection, instance: int) -> Beat:
    """See Store.beat."""
    if await connection.fetchval(SQL["beat"], instance) is None:
        raise Dismissed(instance)
    rows = await connection.fetch(SQL["held"], instance)
    fences = {Fence(row["job_id"], row["id"], row["attempt"]): row["unwanted"] for row in rows}
    unwanted = frozenset(fence for fence, over in fences.items() if over)
    lanes = await connection.fetch(SQL["lanes_of_instance"], instance)
    return Beat(frozenset(fences), unwanted, frozenset((row["id"], row["claims"]) for row in lanes))


async def retire(
    connection: Connection, instance: int, beat: int | None, outcome: Outcome, now: datetime
) -> Recorded | None:
    """End what an instance holds with this outcome and forget it, in statements after the lock of
    its row. With `beat` it is a rescue: None if the instance has moved since."""
    found = await connection.fetchval(SQL["lock_instance"], instance)
    if found is None or (beat is not None and found != beat):
        return None
    rows = await connection.fetch(SQL["held_of_instance"], instance)
    batch = await lock_batch(
        connection, [Fence(row["job_id"], row["id"], 0) for row in rows], instance
    )
    marked = await connection.fetch(SQL["take_over"], instance)
    over = {(row["task_id"], row["attempt"]) for row in marked}
    for task_id in sorted(batch.held):
        task = batch.tasks[task_id]
        fence = Fence(task.job_id, task.id, task.attempt)
        fate = Outcome.RELEASED if (task.id, task.attempt) in over else outcome
        batch.end(batch.jobs[task.job_id], task, Ended(fence, now, fate))
    await connection.execute(SQL["release_lanes"], instance, now)
    recorded = await batch.write(connection, now, instance)
    await connection.execute(SQL["fold_counters"], instance)
    await connection.execute(SQL["fold_task_counters"], instance)
    await connection.execute(SQL["forget_instance"], instance)
    return recorded
