"""Lists of jobs."""

from __future__ import annotations

from typing import Any

from taskengine.model import Job, JobState
from taskengine.store import JobFilter
from taskengine.store.connections import Connection
from taskengine.store.transactions.rows import job_of

COLUMNS = (
    "id, client, workflow, state, failed, priority, position, top_of_queue, created_at, "
    "updated_at, run_at, content_id, semaphore_url, persist, digest, gate_open"
)
ORDERS = {  # the ten keys of a list row
    "id": "id",
    "client": "client",
    "workflow": "workflow",
    "priority": "priority",
    "position": "position",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "state": "state",
    "failed": "failed",
    "run_at": "run_at",
}


async def list_jobs(connection: Connection, wanted: JobFilter) -> list[Job]:
    """See Store.jobs. Names of columns come from ORDERS, every value is an argument."""
    conditions, values = _conditions(wanted)
    direction = "asc" if wanted.ascending else "desc"
    values.append(wanted.limit)
    rows = await connection.fetch(
        f"select {COLUMNS} from jobs where {' and '.join(conditions)} "
        f"order by {ORDERS[wanted.order_by]} {direction}, id {direction} limit ${len(values)}",
        *values,
    )
    return [job_of(row) for row in rows]


def _conditions(wanted: JobFilter) -> tuple[list[str], list[Any]]:
    conditions = ["true"]
    values: list[Any] = []

    def add(condition: str, value: Any) -> None:
        values.append(value)
        conditions.append(condition.format(f"${len(values)}"))

    if wanted.failed is not None:
        conditions.append(f"state = {int(JobState.COMPLETED)}")
        add("failed = {}", wanted.failed)
    if wanted.states:
        add("state = any({}::smallint[])", [int(state) for state in wanted.states])
    elif not wanted.job_ids:
        conditions.append("digest is not null")
    if wanted.job_ids:
        add("id = any({}::bigint[])", list(wanted.job_ids))
    if wanted.client is not None:
        add("client = {}", wanted.client)
    if wanted.since is not None:
        add("created_at >= {}", wanted.since)
    if wanted.until is not None:
        add("created_at <= {}", wanted.until)
    if wanted.search is not None:
        _search(wanted.search, conditions, values)
    return conditions, values


def _search(search: str, conditions: list[str], values: list[Any]) -> None:
    """Exactly the id, else the content id from its beginning, without regard to case (A3)."""
    pattern = search.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    values.append(pattern)
    either = f"lower(content_id) like ${len(values)}"
    if search.isascii() and search.isdigit() and search[0] != "0" and len(search) < 19:
        values.append(int(search))
        either = f"({either} or id = ${len(values)})"
    conditions.append(either)
