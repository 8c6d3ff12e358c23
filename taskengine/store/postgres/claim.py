"""Claims: queued tasks for one instance, under a claim id of its own (rule 4)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection
from datetime import datetime

from taskengine.model import Attempt, Documents, Task, TaskState
from taskengine.store import Claimed, Dismissed
from taskengine.store.completion import CARRIED
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.rows import SQL, Row, job_of

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
    """See Store.claim. One statement, which commits by itself."""
    given = (instance, queue, list(actions), limit, claim_id, now, SPARE, CARRIED)
    rows = await connection.fetch(SQL["claim"], *given)
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
        documents=documents_of(row) if row["results"] else None,
        client_scope=json.loads(row["facts"]),
        options=json.loads(row["options"]) if row["options"] else None,
        started_at=row["claimed_at"],
        lanes=row["lanes"],
        size=row["size"],
    )


def documents_of(row: Row) -> Documents:
    return Documents(row["parameters"], row["results"])
