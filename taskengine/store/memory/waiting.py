"""What a job waits for, in memory."""

from __future__ import annotations

from collections import Counter

from taskengine.fair_shares import in_turn
from taskengine.jobs.explanation import RANKED, Slots, WaitingState
from taskengine.model import TaskState
from taskengine.policy import SYSTEM, Band
from taskengine.store.memory.admit import candidates, running_jobs
from taskengine.store.memory.instances import is_unserved
from taskengine.store.memory.rows import COMPLETES, ENDS
from taskengine.store.memory.tables import Tables


def load_waiting_state(tables: Tables, job_id: int) -> WaitingState | None:
    """See StoreReads.waiting_state."""
    row = tables.jobs.get(job_id)
    if row is None:
        return None
    edges = tables.open_edges(child=job_id)
    tasks = tables.tasks_of(job_id)
    shares = tables.shares
    return WaitingState(
        row.job,
        _slots(tables, SYSTEM),
        _slots(tables, row.job.client),
        _ahead(tables, job_id),
        row.open_tasks,
        sum(task.task.state is TaskState.WORKING for task in tasks),
        sorted(edge.parent for edge in edges if edge.kind == COMPLETES),
        next((edge.parent for edge in edges if edge.kind == ENDS), None),
        row.gate_answer,
        row.gate_due_at,
        tables.queues_due,
        sorted(edge.parent for edge in edges if edge.parent in tables.cascades),
        [
            (one.task.name, one.task.action, one.task.queue)
            for one in tasks
            if is_unserved(tables, one.task)
        ][:10],
        pauses=list(tables.pauses.values()),
        queues=sorted({one.task.queue for one in tasks if one.task.state is TaskState.QUEUED}),
        is_held=row.is_held,
        weight=shares.weight(row.job.client) if shares.weights else None,
    )


def _ahead(tables: Tables, job_id: int) -> int:
    """How many queued jobs go before this one, as far as they are counted."""
    queued = candidates(tables)
    if tables.shares.weights:
        ranked = in_turn(queued, tables.shares)
    else:
        ranked = sorted(queued, key=lambda one: one.rank)
    places = {one.id: place for place, one in enumerate(ranked)}
    return min(places.get(job_id, 0), RANKED)


def _slots(tables: Tables, scope: str) -> Slots:
    running: Counter[Band] = Counter()
    for (client, band), number in running_jobs(tables).items():
        running[band] += number if scope in (SYSTEM, client) else 0
    settings = tables.limits(scope, client=scope != SYSTEM)
    return Slots(settings, running[Band.LOW], running[Band.HIGH])
