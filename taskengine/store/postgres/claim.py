"""Claims: queued tasks for one instance, under a claim id of its own (rule 4)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection
from datetime import datetime

from taskengine.model import Attempt, Documents, Task, TaskState
from taskengine.store import Ahead, Claimed, Dismissed
from taskengine.store.completion import CARRIED
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.rows import SQL, Row, job_of

SPARE = 100  # tasks that a contested claim tries besides: other instances may hold their locks


async def claim(
    connection: Connection,
    instance: int,
    queue: str,
    actions: Collection[str],
    limit: int,
    claim_id: uuid.UUID,
    now: datetime,
    ahead: Ahead,
    contested: bool,
) -> Claimed:
    """See Store.claim. One statement, which commits by itself."""
    given = (instance, queue, list(actions), limit, claim_id, now)
    spare = SPARE if contested else 0
    more = (spare, CARRIED, ahead.number, list(ahead.actions))
    rows = await connection.fetch(SQL["claim"], *given, *more)
    if not rows:
        raise Dismissed(instance)
    return Claimed([_attempt(row) for row in rows if row["task_id"]], rows[0]["next_due"])


def _attempt(row: Row) -> Attempt:
    task = Task(
        id=row["task_id"],
        job_id=row["id"],
        number=row["number"],
        name=row["name"],
        action=row["action"],
        queue=row["queue"],
        state=TaskState.WORKING,
        attempt=row["attempt"],
        failures=row["failures"],
        rescues=row["rescues"],
        progress=row["progress"],
        error=row["error"],
        started_at=row["started_at"],
    )
    return Attempt(
        task=task,
        job=job_of(row),
        documents=documents_of(row) if row["parameters"] else None,
        client_scope=json.loads(row["facts"]),
        options=json.loads(row["options"]) if row["options"] else None,
        started_at=row["claimed_at"],
        lanes=row["lanes"],
        size=row["size"],
    )


def documents_of(row: Row) -> Documents:
    return Documents(row["parameters"], row["results"])
