"""A sweep in memory of what waits for jobs that are over already."""

from __future__ import annotations

from datetime import datetime

from taskengine.store.memory.edges import settle_edges
from taskengine.store.memory.tables import Tables


def sweep_edges(tables: Tables, after: int, now: datetime) -> tuple[int, int | None]:
    """See Store.sweep_edges."""
    parents = {edge.parent for edge in tables.open_edges() if edge.parent > after}
    over = {one for one in parents if one not in tables.jobs or tables.jobs[one].over}
    before = len(tables.cascades)
    settle_edges(tables, over, now)
    return len(tables.cascades) - before, None
