"""Instances: heartbeats, and what becomes of the work of those that left or died."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from taskengine.model import Ended, Fence, Outcome, Recorded
from taskengine.policy import MAX_RESCUES
from taskengine.store import Beat, Dismissed
from taskengine.store.connections import Connection
from taskengine.store.ending import kills_its_hosts
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
    connection: Connection, instance: int, beat: int | None, now: datetime
) -> Recorded | None:
    """Release what an instance holds and forget it, in statements after the lock of its row.

    With `beat` it is a rescue: None if the instance has moved since, else each task counts it.
    """
    found = await connection.fetchval(SQL["lock_instance"], instance)
    if found is None or (beat is not None and found != beat):
        return None
    rows = await connection.fetch(SQL["held_of_instance"], instance)
    batch = await lock_batch(
        connection, [Fence(row["job_id"], row["id"], 0) for row in rows], instance
    )
    for task_id in sorted(batch.held):
        task = batch.tasks[task_id]
        job = batch.jobs[task.job_id]
        end = Ended(Fence(job.id, task.id, task.attempt), now, Outcome.RELEASED)
        if beat is not None and task.rescues >= MAX_RESCUES:
            end = kills_its_hosts(replace(task, rescues=task.rescues + 1), now)
        batch.end(job, task, end, rescued=beat is not None)
    await connection.execute(SQL["release_lanes"], instance, now)
    recorded = await batch.write(connection, now, instance)
    await connection.execute(SQL["fold_counters"], instance)
    await connection.execute(SQL["fold_task_counters"], instance)
    await connection.execute(SQL["forget_instance"], instance)
    return recorded
