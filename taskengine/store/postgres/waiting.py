"""What a job waits for, read in one snapshot."""

from __future__ import annotations

from collections import Counter
from typing import Any

from taskengine.fair_shares import Shares
from taskengine.jobs.explanation import RANKED, Slots, WaitingState
from taskengine.model import Job, JobState
from taskengine.policy import SYSTEM, UNBOUND, Band
from taskengine.store.postgres.admit import running_jobs
from taskengine.store.postgres.bounds import bounds_in
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.edges import COMPLETES, ENDS
from taskengine.store.postgres.pauses import pause_of
from taskengine.store.postgres.rows import SQL, job_of
from taskengine.store.postgres.shares import strides, weights_in


async def load_waiting_state(connection: Connection, job_id: int) -> WaitingState | None:
    """See Store.waiting_state. It locks nothing."""
    await connection.execute(SQL["one_snapshot"])
    row = await connection.fetchrow(SQL["waiting_job"], job_id)
    if row is None:
        return None
    job = job_of(row)
    rows = await connection.fetch(SQL["bounds_of"], [SYSTEM, job.client])
    bounds = bounds_in(rows, None)
    running = await running_jobs(connection)
    total: Counter[Band] = Counter()
    for (_, band), number in running.items():
        total[band] += number
    rows = await connection.fetch(SQL["edges_of"], job_id)
    edges = [edge for edge in rows if edge["open"]]
    originals = [edge["parent"] for edge in edges if edge["kind"] == ENDS]
    unserved = await connection.fetch(SQL["unserved_of"], job_id)
    shares = Shares(weights_in(await connection.fetch(SQL["system_bounds"])))
    ahead = await _ahead(connection, job, shares) if job.state is JobState.QUEUED else 0
    own = {band: running[job.client, band] for band in Band}
    return WaitingState(
        job,
        system=Slots(bounds.system, total[Band.LOW], total[Band.HIGH]),
        client=Slots(bounds.clients.get(job.client, UNBOUND), own[Band.LOW], own[Band.HIGH]),
        ahead=ahead,
        pauses=[pause_of(one) for one in await connection.fetch(SQL["pauses"])],
        queues=[one["queue"] for one in await connection.fetch(SQL["queues_of"], job_id)],
        is_held=row["is_held"],
        weight=shares.weight(job.client) if shares.weights else None,
        open_tasks=row["open_tasks"],
        working=row["working"],
        parents=sorted(edge["parent"] for edge in edges if edge["kind"] == COMPLETES),
        original=originals[0] if originals else None,
        gate_answer=row["gate_answer"],
        gate_due_at=row["gate_due_at"],
        queues_due=row["queues_due"],
        told=sorted(edge["parent"] for edge in edges if edge["told"]),
        unserved=[(one["name"], one["action"], one["queue"]) for one in unserved],
    )


async def _ahead(connection: Connection, job: Job, shares: Shares) -> int:
    """How many queued jobs go before it, as far as they are counted."""
    place = (job.top_of_queue, job.priority, job.position, job.created_at, job.id)
    if shares.weights:
        given: tuple[Any, ...] = ("turns_before", *place, RANKED, *strides(shares), job.client)
    else:
        given = ("jobs_ahead", *place, RANKED)
    statement, *arguments = given
    number: int = await connection.fetchval(SQL[statement], *arguments)
    return number
