"""Edges between jobs in memory: who waits for whose completion, or for the end of its tasks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from taskengine.jobs.changes import placed
from taskengine.model import JobState
from taskengine.store.memory.rows import COMPLETES, ENDS, Edge, StoredJob
from taskengine.store.memory.tables import Tables


def settle_edges(tables: Tables, ended: Collection[int], now: datetime) -> bool:
    """Jobs are over, and none of their tasks runs any more: a rerun goes on, and a cascade
    tells the others that wait for them. Whether there are any."""
    for parent in sorted(ended):
        for edge in tables.open_edges(parent=parent):
            if edge.kind == ENDS:
                close(tables, edge, now)
    return queue_cascades(tables, ended) > 0


def queue_cascades(tables: Tables, parents: Collection[int]) -> int:
    """Those that wait for jobs which complete no more, or have completed, are told step by step;
    how many jobs are new among these."""
    new = (tables.waited_for() & set(parents)) - tables.cascades.keys()
    tables.cascades |= dict.fromkeys(new, 0)
    return len(new)


def tie(tables: Tables, row: StoredJob, parents: Sequence[int], now: datetime) -> int | None:
    """Tie a new job to the last runs of its parents; gives one that failed or is gone, if there is
    one: the job is to be broken."""
    lost = None
    for parent in dict.fromkeys(last_run(tables, one) for one in parents):
        known = tables.jobs.get(parent)
        if known is None or known.job.failed or known.job.state is JobState.BROKEN:
            lost = parent if lost is None else lost
        done = known is None or known.job.state.is_final
        tables.edges.append(Edge(parent, row.job.id, COMPLETES, not done))
    place(tables, row, now)
    return lost


def place(tables: Tables, row: StoredJob, now: datetime) -> None:
    """Let a job wait for other jobs, for its time or gate, or for a slot."""
    waits = bool(tables.open_edges(child=row.job.id))
    row.job = replace(row.job, state=placed(row.job, waits=waits, now=now))


def close(tables: Tables, edge: Edge, now: datetime) -> None:
    """What the child waited for has come."""
    edge.open = False
    child = tables.jobs[edge.child]
    if not child.job.state.is_final:
        child.job = replace(child.job, updated_at=now)
    if child.job.state is JobState.PENDING:
        place(tables, child, now)


def last_run(tables: Tables, job_id: int) -> int:
    last = tables.jobs.get(job_id)
    while last is not None and last.rerun_as is not None:
        last = tables.jobs.get(last.rerun_as)
    return job_id if last is None else last.job.id
