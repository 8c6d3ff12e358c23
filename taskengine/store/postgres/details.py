"""Jobs with all that is known of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection

from taskengine.model import JobDetails, Task
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.rows import SQL, job_of, task_of


async def load_details(connection: Connection, job_ids: Collection[int]) -> list[JobDetails]:
    """Jobs with their parameters, tasks and parents, in the order of their ids."""
    ids = sorted(job_ids)
    jobs = await connection.fetch(SQL["jobs_by_id"], ids)
    data = {row["job_id"]: row for row in await connection.fetch(SQL["data_by_id"], ids)}
    tasks: dict[int, list[Task]] = defaultdict(list)
    for row in await connection.fetch(SQL["tasks_by_job"], ids):
        tasks[row["job_id"]].append(task_of(row))
    parents: dict[int, list[int]] = defaultdict(list)
    for row in await connection.fetch(SQL["parents_of"], ids):
        parents[row["child"]].append(row["parent"])
    return [
        JobDetails(
            job=job_of(row),
            submitted=json.loads(data[row["id"]]["submitted"]),
            parameters=json.loads(data[row["id"]]["parameters"]),
            client_scope=json.loads(data[row["id"]]["facts"]),
            tasks=tasks[row["id"]],
            depends_on=parents[row["id"]],
            rerun_of=row["rerun_of"],
            rerun_as=row["rerun_as"],
            body_digest=row["idempotency_digest"],
        )
        for row in jobs
    ]


async def load_outline(connection: Connection, job_id: int) -> JobDetails | None:
    """A job without its documents and tasks."""
    for row in await connection.fetch(SQL["jobs_by_id"], [job_id]):
        parents = await connection.fetch(SQL["parents_of"], [job_id])
        return JobDetails(
            job=job_of(row),
            submitted={},
            parameters={},
            client_scope={},
            tasks=[],
            depends_on=[parent["parent"] for parent in parents],
            rerun_of=row["rerun_of"],
            rerun_as=row["rerun_as"],
            body_digest=row["idempotency_digest"],
        )
    return None
