"""A sweep of jobs that hold a slot though no task of theirs is queued or at work.

No transaction of the engine leaves such a job behind, and no workflow that passed the check makes
one. A hand in the database does, or a definition that an older version took. It ends as failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from taskengine.model import FINAL_STATES, Ended, Fence, Outcome, Recorded
from taskengine.store.completion import STALLED
from taskengine.store.postgres.conclude import conclude_jobs
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.counting import Tally
from taskengine.store.postgres.lines import put_lines
from taskengine.store.postgres.outbox import OutboxEvent, put_calls
from taskengine.store.postgres.record import lock_batch
from taskengine.store.postgres.rows import SQL, Row, columns, locked_job

PAGE_SIZE = 100  # jobs that are looked at in one transaction, each with all its tasks


async def sweep_jobs(
    connection: Connection, after: int, now: datetime, writer: int
) -> tuple[Recorded, int | None]:
    """See Store.sweep_jobs."""
    page = await connection.fetch(SQL["started_jobs"], after, PAGE_SIZE)
    suspects = [row["id"] for row in page if row["stalled"]]
    ended = await _end(connection, suspects, now, writer) if suspects else Recorded()
    return ended, page[-1]["id"] if len(page) == PAGE_SIZE else None


async def _end(
    connection: Connection, suspects: Sequence[int], now: datetime, writer: int
) -> Recorded:
    """What is still so once they are locked (rule 1)."""
    jobs = {row["id"]: row for row in await connection.fetch(SQL["lock_jobs"], suspects)}
    stalled = await connection.fetch(SQL["still_stalled"], sorted(jobs))
    waiting = {row["id"]: row for row in stalled if row["n"] and _is_wanted(jobs[row["id"]])}
    rest = [row for row in stalled if row["id"] not in waiting]
    counts = [(row["id"], row["n"] if row["id"] in waiting else 0) for row in stalled]
    if rest:
        ids = [row["id"] for row in rest]
        await connection.execute(SQL["cancel_rest"], ids, [now] * len(ids))
    await connection.execute(SQL["recount_tasks"], *columns(counts, 2))
    one = await _fail_tasks(connection, list(waiting.values()), now, writer)
    other = await _end_jobs(connection, rest, jobs, now, writer)
    return replace(
        one,
        ended_jobs=(*one.ended_jobs, *other.ended_jobs),
        called=one.called or other.called,
        waited=one.waited or other.waited,
    )


def _is_wanted(job: Row) -> bool:
    return job["state"] not in FINAL_STATES and not job["failed"]


async def _fail_tasks(
    connection: Connection, stalled: Sequence[Row], now: datetime, writer: int
) -> Recorded:
    """The first task that waits fails, and the job with it."""
    if not stalled:
        return Recorded()
    fences = [Fence(row["id"], row["first"], 0) for row in stalled]
    batch = await lock_batch(connection, fences, 0)
    for fence in fences:
        task = batch.tasks[fence.task_id]
        end = Ended(replace(fence, attempt=task.attempt), now, Outcome.FAILED, error=STALLED)
        batch.end(batch.jobs[fence.job_id], task, end)
    return await batch.write(connection, now, writer)


async def _end_jobs(
    connection: Connection,
    stalled: Sequence[Row],
    before: Mapping[int, Row],
    now: datetime,
    writer: int,
) -> Recorded:
    """Jobs that no task is left of, or that were stopped or have failed."""
    if not stalled:
        return Recorded()
    ids = [row["id"] for row in stalled]
    tally = Tally()
    calls: list[OutboxEvent] = []
    jobs = [locked_job(row) for row in await connection.fetch(SQL["lock_jobs"], ids)]
    last = {
        row["id"]: Ended(Fence(row["id"], row["last"] or 0, 0), now, Outcome.FAILED, error=STALLED)
        for row in stalled
    }
    for job in jobs:
        if _is_wanted(before[job.id]):  # it has failed only now
            tally.jobs[job.client, job.state, False] -= 1
            tally.jobs[job.client, job.state, True] += 1
    await connection.execute(SQL["end_jobs"], ids, now)
    lines = await conclude_jobs(connection, jobs, last, calls, now, tally)
    await put_lines(connection, lines)
    await put_calls(connection, calls)
    await tally.write(connection, writer)
    return Recorded(ended_jobs=tuple(ids), called=bool(calls), waited=bool(tally.cascades))
