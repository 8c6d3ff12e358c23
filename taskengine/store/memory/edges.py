"""Edges between jobs in memory: who waits for whose completion, or for the end of its tasks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

import trio

from taskengine.callbacks.bodies import END, job_body
from taskengine.jobs.changes import OVER, placed
from taskengine.model import JobState, LogLine, Severity
from taskengine.store.memory.outbox import Outbox
from taskengine.store.memory.rows import COMPLETES, ENDS, Edge, JobRow


class Edges(Outbox):
    """What the end of a job means to those that wait for it."""

    def _open_edges(self, *, parent: int | None = None, child: int | None = None) -> list[Edge]:
        return [
            edge
            for edge in self._edges
            if edge.open and parent in (None, edge.parent) and child in (None, edge.child)
        ]

    def _tie(self, row: JobRow, parents: Sequence[int], now: datetime) -> None:
        """A parent that failed or is gone breaks the child at once; one that was run again is its
        last run."""
        lost = None
        for parent in dict.fromkeys(self._last_run(one) for one in parents):
            known = self._jobs.get(parent)
            if known is None or known.job.failed or known.job.state is JobState.BROKEN:
                lost = parent if lost is None else lost
            done = known is None or known.job.state in OVER
            self._edges.append(Edge(parent, row.job.id, COMPLETES, not done))
        self._place(row, now)
        if lost is not None:
            self._break_for(row, lost, now)

    def _last_run(self, job_id: int) -> int:
        last = self._jobs.get(job_id)
        while last is not None and last.rerun_as is not None:
            last = self._jobs.get(last.rerun_as)
        return job_id if last is None else last.job.id

    def _place(self, row: JobRow, now: datetime) -> None:
        waits = bool(self._open_edges(child=row.job.id))
        row.job = replace(row.job, state=placed(row.job, waits=waits, now=now))

    def _settle_edges(self, ended: Collection[int], now: datetime) -> None:
        """Jobs are over, and none of their tasks runs any more."""
        rows = [self._jobs[job_id] for job_id in ended]
        failed = {row.job.id for row in rows if row.job.failed or row.job.state is JobState.BROKEN}
        for parent in sorted(ended):
            for edge in self._open_edges(parent=parent):
                if edge.kind == ENDS or parent not in failed:
                    self._close(edge, now)
        self._break_children(failed, now)

    async def sweep_edges(self, after: int, now: datetime) -> tuple[int, int | None]:
        await trio.lowlevel.checkpoint()
        parents = {edge.parent for edge in self._open_edges() if edge.parent > after}
        ended = {parent for parent in parents if self._jobs[parent].over}
        self._settle_edges(ended, now)
        return len(ended), None

    def _close(self, edge: Edge, now: datetime) -> None:
        edge.open = False
        child = self._jobs[edge.child]
        if child.job.state not in OVER:
            child.job = replace(child.job, updated_at=now)
        if child.job.state is JobState.PENDING:
            self._place(child, now)

    def _break_children(self, parents: Collection[int], now: datetime) -> None:
        """Break the children of jobs that will not complete, and theirs, each once."""
        while parents:
            because: dict[int, int] = {}
            for edge in sorted(self._open_edges(), key=lambda one: one.parent):
                if edge.parent in parents and edge.kind == COMPLETES:
                    edge.open = False
                    because.setdefault(edge.child, edge.parent)
            parents = [one for one in because if self._jobs[one].job.state not in OVER]
            for child in parents:
                self._break_for(self._jobs[child], because[child], now)

    def _break_for(self, row: JobRow, parent: int, now: datetime) -> None:
        row.job = replace(row.job, state=JobState.BROKEN, failed=True, updated_at=now)
        failure = f"it depends on job {parent}, which did not complete"
        told = f"job has failed: {failure}"
        self._log(LogLine(row.job.id, "controller", told, now, severity=Severity.ERROR))
        body = job_body(row.job, row.submitted.get("custom_data"), failure, {})
        self._call(row.job.id, 0, None, END, body, now)
