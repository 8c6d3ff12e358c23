"""The limit: a bare loop over the engine's own transactions, with neither actors nor HTTP.

It writes the rows that the engine writes for the same jobs, with the same statements, from asyncio
and in batches of 100. What the engine does besides is the distance between the two.
"""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime

import asyncpg
from trio_asyncio import aio_as_trio

from taskengine.model import Began, Ended, Fence, Outcome, Record, Severity, Submission, Written
from taskengine.policy import SYSTEM
from taskengine.store import Ahead
from taskengine.store.completion import definitions_line
from taskengine.store.postgres import admit, claim, clients, record, submit
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.rows import SQL
from taskengine.workflows.workflow import Workflow

BATCH = 100  # jobs in a transaction
FLOW = Workflow.from_content(
    {"workflow": "noop", "tasks": [{"name": "noop", "action": "core.noop"}]}
)


async def drained(url: str, jobs: int) -> float:
    """Jobs a second, from the backlog to their ends, on a migrated database with enough slots."""
    connection = await aio_as_trio(asyncpg.connect)(url)
    try:
        return await aio_as_trio(_drained)(connection, jobs)
    finally:
        connection.terminate()


async def _drained(connection: Connection, jobs: int) -> float:
    [row] = await connection.fetch(SQL["join_instance"], "limit", _now(), 15.0, None)
    instance = row["id"]
    await _transaction(connection, clients.put_setting, SYSTEM, "max_jobs", str(2 * BATCH))
    for _ in range(jobs // BATCH):
        batch = submit.prepare([_submission() for _ in range(BATCH)])
        await _transaction(connection, submit.submit, batch, _now(), instance)
    began = time.perf_counter()
    for _ in range(jobs // BATCH):
        await _transaction(connection, admit.admit, _now(), BATCH, instance)
        given = (instance, "work", ["core.noop"], BATCH, uuid.uuid4(), _now())
        claimed = await claim.claim(connection, *given, Ahead(0, ()), False)
        fences = [attempt.fence for attempt in claimed.attempts]
        assert len(fences) == BATCH
        told = [one for fence in fences for one in _records(fence)]
        await _transaction(connection, record.record, instance, told, _now(), uuid.uuid4())
    seconds = time.perf_counter() - began
    assert await connection.fetchval("select count(*) from jobs where state = 2") == jobs
    return jobs / seconds


async def _transaction(connection: Connection, function: object, *arguments: object) -> None:
    await connection.execute("begin")
    await function(connection, *arguments)  # type: ignore[operator]
    await connection.execute("commit")


def _submission() -> Submission:
    return Submission(
        client="bench",
        workflow="noop",
        submitted={},
        parameters={},
        lines=[(Severity.INFO, "api", "submitted")],
        definition=FLOW.definition,
        client_scope={"name": "bench"},
    )


def _records(fence: Fence) -> list[Record]:
    """What an attempt of a task that does nothing tells."""
    now = _now()
    texts = (definitions_line(None), "Task 'noop' started", "'noop' completed successfully")
    first, second, last = (Written(fence, now, text, Severity.INFO) for text in texts)
    return [first, second, Began(fence, now), last, Ended(fence, now, Outcome.COMPLETED)]


def _now() -> datetime:
    return datetime.now(UTC)
