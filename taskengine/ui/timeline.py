"""Tasks of a job in time, as bars of a picture. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from taskengine.model import Task, TaskState
from taskengine.ui.formats import short_duration

NARROWEST = 0.6  # percent of the width: what is short is still to be seen


@dataclass(frozen=True, slots=True)
class TaskBar:
    """A task; where its bar begins and how long it is, in percent of the width, and its time."""

    task: Task
    start: float
    width: float  # 0: it has not begun
    lasted: str

    @property
    def word(self) -> str:
        return self.task.state.label

    @property
    def percent(self) -> int:
        return int(100 * self.task.progress)


def timeline(tasks: Sequence[Task], start: datetime, end: datetime) -> list[TaskBar]:
    whole = (end - start).total_seconds() or 1.0
    return [_bar(task, start, end, whole) for task in tasks]


def _bar(task: Task, start: datetime, end: datetime, whole: float) -> TaskBar:
    if task.started_at is None:
        return TaskBar(task, 0.0, 0.0, "")
    over = task.ended_at or (end if task.state is TaskState.WORKING else task.started_at)
    lasted = max(0.0, (over - task.started_at).total_seconds())
    width = min(100.0, max(NARROWEST, 100 * lasted / whole))
    begins = 100 * (task.started_at - start).total_seconds() / whole
    return TaskBar(
        task, round(min(max(0.0, begins), 100 - width), 2), round(width, 2), short_duration(lasted)
    )
