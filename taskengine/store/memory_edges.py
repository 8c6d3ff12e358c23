"""Edges between jobs in memory: who waits for whose completion, or for the end of its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from taskengine.callbacks import END, job_body
from taskengine.changes import OVER, placed
from taskengine.model import JobState, LogLine, Severity
from taskengine.store.memory_outbox import Outbox
from taskengine.store.memory_rows import JobRow

COMPLETES, ENDS = "completes", "ends"


@dataclass(slots=True)
class Edge:
    parent: int
    child: int
    kind: str
    open: bool


class Edges(Outbox):
    """What the end of a job means to those that wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self._edges: list[Edge] = []

    def _open_edges(self, *, parent: int | None = None, child: int | None = None) -> list[Edge]:
        return [
            edge
            for edge in self._edges
            if edge.open and parent in (None, edge.parent) and child in (None, edge.child)
        ]

    def _tie(self, row: JobRow, parents: Sequence[int], now: datetime) -> None:
        """A parent that failed or is gone breaks the child at once."""
        lost = None
        for parent in dict.fromkeys(parents):
            known = self._jobs.get(parent)
            if known is None or known.job.failed or known.job.state is JobState.BROKEN:
                lost = parent if lost is None else lost
            done = known is None or known.job.state in OVER
            self._edges.append(Edge(parent, row.job.id, COMPLETES, not done))
        self._place(row, now)
        if lost is not None:
            self._break_for(row, lost, now)

    def _place(self, row: JobRow, now: datetime) -> None:
        waits = bool(self._open_edges(child=row.job.id))
        row.job = replace(row.job, state=placed(row.job, waits=waits, now=now))

    def _settle_edges(self, parent: JobRow, now: datetime, *, completed: bool) -> None:
        """A job is over, and none of its tasks runs any more."""
        for edge in self._open_edges(parent=parent.job.id):
            if edge.kind == ENDS or completed:
                self._close(edge, now)
        if not completed:
            self._break_children(parent.job.id, now)

    def _close(self, edge: Edge, now: datetime) -> None:
        edge.open = False
        child = self._jobs[edge.child]
        child.job = replace(child.job, updated_at=now)
        if child.job.state is JobState.PENDING:
            self._place(child, now)

    def _break_children(self, parent: int, now: datetime) -> None:
        for edge in self._open_edges(parent=parent):
            if edge.kind == COMPLETES:
                edge.open = False
                self._break_for(self._jobs[edge.child], parent, now)
                self._break_children(edge.child, now)

    def _break_for(self, row: JobRow, parent: int, now: datetime) -> None:
        row.job = replace(row.job, state=JobState.BROKEN, failed=True, updated_at=now)
        failure = f"it depends on job {parent}, which did not complete"
        told = f"job has failed: {failure}"
        self._log(LogLine(row.job.id, "controller", told, now, severity=Severity.ERROR))
        body = job_body(row.job, row.submission.submitted.get("custom_data"), failure, {})
        self._call(row.job.id, 0, None, END, body, now)
