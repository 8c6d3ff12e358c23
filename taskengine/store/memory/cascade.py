"""Cascades in memory: what the end of a job means to those that wait for its completion."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from taskengine.model import JobState, LogLine, Severity
from taskengine.store import Settled
from taskengine.store.completion import PARENTS, Fate, fate_of, lost
from taskengine.store.memory.edges import close, queue_cascades
from taskengine.store.memory.lines import add_line
from taskengine.store.memory.outbox import call_end
from taskengine.store.memory.rows import COMPLETES, Edge, StoredJob
from taskengine.store.memory.tables import Tables


def cascade(tables: Tables, now: datetime, limit: int = 500) -> Settled:
    """See Store.cascade."""
    before = set(tables.cascades)
    parents = sorted(before, key=lambda one: (tables.cascades[one], one))[:PARENTS]
    if not parents:
        return Settled()
    edges = _some_edges(tables, parents, max(1, limit // len(parents)))
    fates = {parent: fate_of_parent(tables, parent) for parent in parents}
    told = [(edge, fates[edge.parent]) for edge in edges]
    for fate, settle in (
        (Fate.HANDED_ON, _hand_on),
        (Fate.LOST, _break_child),
        (Fate.COMPLETED, close),
    ):
        for edge in [one for one, its in told if its is fate]:
            settle(tables, edge, now)
    left = tables.waited_for()
    for parent in parents:
        if parent in left:
            tables.cascades[parent] += 1
        else:
            del tables.cascades[parent]
    new = tables.cascades.keys() - before
    more = bool(new or left.intersection(parents)) or len(parents) == PARENTS
    return Settled(len(edges), more)


def break_job(tables: Tables, row: StoredJob, parent: int, now: datetime) -> None:
    """Break a job that never started, for the parent that did not complete."""
    row.job = replace(row.job, state=JobState.BROKEN, failed=True, updated_at=now)
    failure = lost(parent)
    told = f"job has failed: {failure}"
    add_line(tables, LogLine(row.job.id, "controller", told, now, severity=Severity.ERROR))
    call_end(tables, row, 0, failure, now)
    queue_cascades(tables, [row.job.id])


def _some_edges(tables: Tables, parents: Collection[int], each: int) -> list[Edge]:
    """The next open edges of each, in the order of parents and children."""
    some: list[Edge] = []
    for parent in sorted(parents):
        own = [one for one in tables.open_edges(parent=parent) if one.kind == COMPLETES]
        some += sorted(own, key=lambda one: one.child)[:each]
    return some


def fate_of_parent(tables: Tables, parent: int) -> Fate:
    row = tables.jobs.get(parent)
    if row is None:
        return Fate.LOST
    if row.handed_on:
        return Fate.HANDED_ON if row.rerun_as in tables.jobs else Fate.LOST
    again = row.rerun_as is not None
    return fate_of(row.job.state, failed=row.job.failed, run_again=again)


def _hand_on(tables: Tables, edge: Edge, now: datetime) -> None:
    heir = tables.jobs[edge.parent].rerun_as
    assert heir is not None
    edge.parent = heir
    if fate_of_parent(tables, heir) is not Fate.UNKNOWN:
        queue_cascades(tables, [heir])


def _break_child(tables: Tables, edge: Edge, now: datetime) -> None:
    edge.open = False
    row = tables.jobs[edge.child]
    if not row.job.state.is_final:
        break_job(tables, row, edge.parent, now)
