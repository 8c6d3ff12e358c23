"""Claims: queued tasks for one instance, under a claim id of its own (rule 4)."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from taskengine.model import Attempt, JsonObject
from taskengine.store import Claimed, Dismissed
from taskengine.store.connections import Connection
from taskengine.store.transactions.rows import SQL, Row, job_of, task_of

SPARE = 100  # tasks that a claim tries besides, where other instances claim at the same moment


async def claim(
    connection: Connection,
    instance: int,
    queue: str,
    actions: Collection[str],
    limit: int,
    claim_id: uuid.UUID,
    now: datetime,
) -> Claimed:
    """See Store.claim. What the claim id got before, its answer lost, is all that it gets."""
    if not await connection.fetchval(SQL["lock_presence"], instance):
        raise Dismissed(instance)
    rows = await connection.fetch(SQL["claimed"], claim_id, instance)
    if not rows:
        await connection.execute(SQL["wake_retries"], queue, list(actions), now)
        given = (instance, queue, list(actions), limit, claim_id, now, SPARE)
        rows = await connection.fetch(SQL["claim"], *given)
    next_due = None
    if len(rows) < limit:
        next_due = await connection.fetchval(SQL["next_retry"], queue, list(actions), now, SPARE)
    return Claimed(await _attempts(connection, rows), next_due)


async def _attempts(connection: Connection, tasks: Sequence[Row]) -> list[Attempt]:
    if not tasks:
        return []
    ids = sorted({task["job_id"] for task in tasks})
    jobs = {row["id"]: row for row in await connection.fetch(SQL["attempts_of"], ids)}
    results: dict[int, dict[str, JsonObject]] = defaultdict(dict)
    if later := sorted({task["job_id"] for task in tasks if task["number"] > 0}):
        for row in await connection.fetch(SQL["results_of"], later):
            results[row["job_id"]][row["name"]] = json.loads(row["result"])
    return [
        _attempt(task, jobs[task["job_id"]], results[task["job_id"]] if task["number"] > 0 else {})
        for task in tasks
    ]


def _attempt(task: Row, job: Row, results: dict[str, JsonObject]) -> Attempt:
    return Attempt(
        task=task_of(task),
        job=job_of(job),
        parameters=json.loads(job["parameters"]),
        results=results,
        facts=json.loads(job["facts"]),
        options=json.loads(job["options"] or "{}"),
        started_at=task["claimed_at"],
    )
