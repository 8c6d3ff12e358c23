"""Pauses in memory, and the jobs that are set aside while their workflow is paused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from taskengine.model import BadInput, JobState, NotFound, Severity
from taskengine.pauses import Pause, PauseKind, hold_line, paused, release_line
from taskengine.store.memory.change import change
from taskengine.store.memory.lines import add_lines
from taskengine.store.memory.tables import Tables


def put_pause(tables: Tables, pause: Pause) -> None:
    """See StorePauses.put_pause."""
    tables.pauses[pause.kind, pause.name] = pause


def remove_pause(tables: Tables, kind: str, name: str) -> bool:
    """See StorePauses.remove_pause."""
    return tables.pauses.pop((kind, name), None) is not None


def pauses(tables: Tables) -> Sequence[Pause]:
    """See StorePauses.pauses."""
    return [tables.pauses[key] for key in sorted(tables.pauses)]


def hold_jobs(tables: Tables, now: datetime) -> None:
    """Set the queued jobs of paused workflows aside."""
    names = paused(tables.pauses.values(), PauseKind.WORKFLOW, now)
    for row in tables.jobs.values():
        if row.job.state is JobState.QUEUED and row.job.workflow in names:
            row.job = replace(row.job, state=JobState.PAUSED, updated_at=now)
            row.is_held = True
            line = (Severity.INFO, "controller", hold_line(row.job.workflow))
            add_lines(tables, row.job.id, [line], now)


def end_pauses(tables: Tables, now: datetime) -> tuple[int, datetime | None]:
    """See StorePauses.end_pauses."""
    over = [key for key, pause in tables.pauses.items() if not pause.holds(now)]
    for key in over:
        del tables.pauses[key]
    names = paused(tables.pauses.values(), PauseKind.WORKFLOW, now)
    held = [row for row in tables.jobs.values() if row.is_held and row.job.workflow not in names]
    for row in held:
        row.is_held = False
        line = (Severity.INFO, "controller", release_line(row.job.workflow))
        try:
            change(tables, row.job.id, {"queue_state": JobState.QUEUED}, [line], now)
        except (BadInput, NotFound):
            continue  # it is over
    ends = [pause.until for pause in tables.pauses.values() if pause.until]
    return len(over) + len(held), min(ends, default=None)
