"""Edges between jobs in memory: who waits for whose completion, or for the end of its tasks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

import trio

from taskengine.jobs.changes import placed
from taskengine.model import JobState, LogLine, Severity
from taskengine.store import Settled
from taskengine.store.completion import PARENTS, Fate, fate_of, lost
from taskengine.store.memory.outbox import Outbox
from taskengine.store.memory.rows import COMPLETES, ENDS, Edge, StoredJob


class Edges(Outbox):
    """What the end of a job means to those that wait for it."""

    def _open_edges(self, *, parent: int | None = None, child: int | None = None) -> list[Edge]:
        return [
            edge
            for edge in self._edges
            if edge.open and parent in (None, edge.parent) and child in (None, edge.child)
        ]

    def _tie(self, row: StoredJob, parents: Sequence[int], now: datetime) -> None:
        """A parent that failed or is gone breaks the child at once; one that was run again is its
        last run."""
        lost = None
        for parent in dict.fromkeys(self._last_run(one) for one in parents):
            known = self._jobs.get(parent)
            if known is None or known.job.failed or known.job.state is JobState.BROKEN:
                lost = parent if lost is None else lost
            done = known is None or known.job.state.is_final
            self._edges.append(Edge(parent, row.job.id, COMPLETES, not done))
        self._place(row, now)
        if lost is not None:
            self._break_for(row, lost, now)

    def _last_run(self, job_id: int) -> int:
        last = self._jobs.get(job_id)
        while last is not None and last.rerun_as is not None:
            last = self._jobs.get(last.rerun_as)
        return job_id if last is None else last.job.id

    def _place(self, row: StoredJob, now: datetime) -> None:
        waits = bool(self._open_edges(child=row.job.id))
        row.job = replace(row.job, state=placed(row.job, waits=waits, now=now))

    def _settle_edges(self, ended: Collection[int], now: datetime) -> bool:
        """Jobs are over, and none of their tasks runs any more: a rerun goes on, and a cascade
        tells the others that wait for them. Whether there are any."""
        for parent in sorted(ended):
            for edge in self._open_edges(parent=parent):
                if edge.kind == ENDS:
                    self._close(edge, now)
        return self._queue_cascades(ended) > 0

    def _queue_cascades(self, parents: Collection[int]) -> int:
        waited = {edge.parent for edge in self._open_edges() if edge.kind == COMPLETES}
        new = (waited & set(parents)) - self._cascades.keys()
        self._cascades |= dict.fromkeys(new, 0)
        return len(new)

    async def sweep_edges(self, after: int, now: datetime) -> tuple[int, int | None]:
        await trio.lowlevel.checkpoint()
        parents = {edge.parent for edge in self._open_edges() if edge.parent > after}
        over = {one for one in parents if one not in self._jobs or self._jobs[one].over}
        before = len(self._cascades)
        self._settle_edges(over, now)
        return len(self._cascades) - before, None

    async def cascade(self, now: datetime, limit: int = 500) -> Settled:
        await trio.lowlevel.checkpoint()
        before = set(self._cascades)
        parents = sorted(before, key=lambda one: (self._cascades[one], one))[:PARENTS]
        if not parents:
            return Settled()
        edges = self._some_edges(parents, max(1, limit // len(parents)))
        fates = {parent: self._fate(parent) for parent in parents}
        told = [(edge, fates[edge.parent]) for edge in edges]
        for fate, settle in (
            (Fate.HANDED_ON, self._hand_on),
            (Fate.LOST, self._break_child),
            (Fate.COMPLETED, self._close),
        ):
            for edge in [one for one, its in told if its is fate]:
                settle(edge, now)
        left = {edge.parent for edge in self._open_edges() if edge.kind == COMPLETES}
        for parent in parents:
            if parent in left:
                self._cascades[parent] += 1
            else:
                del self._cascades[parent]
        new = self._cascades.keys() - before
        more = bool(new or left.intersection(parents)) or len(parents) == PARENTS
        return Settled(len(edges), more)

    def _some_edges(self, parents: Collection[int], each: int) -> list[Edge]:
        """The next open edges of each, in the order of parents and children."""
        some: list[Edge] = []
        for parent in sorted(parents):
            own = [one for one in self._open_edges(parent=parent) if one.kind == COMPLETES]
            some += sorted(own, key=lambda one: one.child)[:each]
        return some

    def _fate(self, parent: int) -> Fate:
        row = self._jobs.get(parent)
        if row is None:
            return Fate.LOST
        if row.handed_on:
            return Fate.HANDED_ON if row.rerun_as in self._jobs else Fate.LOST
        again = row.rerun_as is not None
        return fate_of(row.job.state, failed=row.job.failed, run_again=again)

    def _close(self, edge: Edge, now: datetime) -> None:
        edge.open = False
        child = self._jobs[edge.child]
        if not child.job.state.is_final:
            child.job = replace(child.job, updated_at=now)
        if child.job.state is JobState.PENDING:
            self._place(child, now)

    def _hand_on(self, edge: Edge, now: datetime) -> None:
        heir = self._jobs[edge.parent].rerun_as
        assert heir is not None
        edge.parent = heir
        if self._fate(heir) is not Fate.UNKNOWN:
            self._queue_cascades([heir])

    def _break_child(self, edge: Edge, now: datetime) -> None:
        edge.open = False
        row = self._jobs[edge.child]
        if not row.job.state.is_final:
            self._break_for(row, edge.parent, now)

    def _break_for(self, row: StoredJob, parent: int, now: datetime) -> None:
        row.job = replace(row.job, state=JobState.BROKEN, failed=True, updated_at=now)
        failure = lost(parent)
        told = f"job has failed: {failure}"
        self._log(LogLine(row.job.id, "controller", told, now, severity=Severity.ERROR))
        self._call_end(row, 0, failure, now)
        self._queue_cascades([row.job.id])
