"""Clean-up in memory: the jobs that nobody needs any more, with all that belongs to them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from taskengine.store import Cleared, OldJob
from taskengine.store.completion import MAX_CHILDREN
from taskengine.store.memory.clients import forget_removed
from taskengine.store.memory.tables import Tables


def clear_old_jobs(
    tables: Tables, before: datetime, limit: int, after: OldJob | None = None
) -> Cleared:
    """See Store.clear_old_jobs."""
    old = sorted(
        (row.job.updated_at, row.job.id)
        for row in tables.jobs.values()
        if row.over and row.job.updated_at < before and not row.job.persist
    )
    looked_at = [place for place in old if after is None or place > after][:limit]
    ids = {job_id for _, job_id in looked_at if not _is_spared(tables, job_id)}
    _clear(tables, ids)
    return Cleared(len(ids), looked_at[-1] if len(looked_at) == limit else None)


def tidy(tables: Tables) -> None:
    """See Store.tidy."""
    used = {row.definition.digest for row in tables.jobs.values() if row.definition}
    known = tables.definitions
    tables.definitions = {digest: known[digest] for digest in known if digest in used}
    forget_removed(tables)


def _is_spared(tables: Tables, job_id: int) -> bool:
    lanes = (lane for lane in tables.lanes.values() if lane.job_id == job_id)
    return any(lane.live for lane in lanes) or _is_needed(tables, job_id)


def _is_needed(tables: Tables, parent: int) -> bool:
    children = [edge.child for edge in tables.edges if edge.parent == parent]
    many = len(children) > MAX_CHILDREN
    return many or any(not tables.jobs[child].job.state.is_final for child in children)


def _clear(tables: Tables, ids: Collection[int]) -> None:
    tables.jobs = {key: row for key, row in tables.jobs.items() if key not in ids}
    tables.requests = {key: job_id for key, job_id in tables.requests.items() if job_id not in ids}
    tables.keys = {key: job_id for key, job_id in tables.keys.items() if job_id not in ids}
    tables.tasks = {key: row for key, row in tables.tasks.items() if row.task.job_id not in ids}
    tables.bodies = {key: one for key, one in tables.bodies.items() if one[0] not in ids}
    tables.lanes = {key: row for key, row in tables.lanes.items() if row.job_id not in ids}
    tables.lines = [line for line in tables.lines if line.job_id not in ids]
    tables.edges = [edge for edge in tables.edges if edge.child not in ids]
