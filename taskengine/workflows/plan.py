"""What follows from the ends of tasks: a rule for both stores, and data alone. Pure.

A store reads the tasks that wait for those that have ended, asks `following` what becomes of them,
and writes that. Whoever wants another rule (a task that runs after a failure, one for each element
of a list) writes it here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from taskengine.model import JobState, PlannedTask, TaskState

NOT_BEGUN = (TaskState.WAITING, TaskState.QUEUED)  # cancelled when their job fails or is stopped


class WaitingTask(NamedTuple):
    """A task that waits for others of its job; by their numbers, and how many have not ended."""

    id: int
    needs: Collection[int]
    waits_for: int


class NextStep(NamedTuple):
    """What becomes of a task that waited, as `advance_tasks` takes it."""

    id: int
    state: TaskState
    waits_for: int


def needs_of(planned: PlannedTask) -> tuple[int, ...]:
    """The numbers of the tasks before it, each once: each is met once."""
    return tuple(sorted(set(planned.needs)))


def first_state(planned: PlannedTask) -> TaskState:
    """The state of a task when its job is started."""
    return TaskState.WAITING if planned.needs else TaskState.QUEUED


def meets_needs(state: TaskState) -> bool:
    """Whether the tasks that need one go on when it has ended so."""
    return state in (TaskState.COMPLETED, TaskState.SKIPPED)


def fails_job(state: TaskState) -> bool:
    """Whether a job fails with a task that has ended so: what has not begun is cancelled."""
    return state is TaskState.FAILED


def ready_state(job: JobState) -> TaskState:
    """The state of a task that could run now: a job that was paused meanwhile holds it."""
    return TaskState.QUEUED if job == JobState.STARTED else TaskState.WAITING


def following(
    ended: Collection[int], waiting: Iterable[WaitingTask], job: JobState
) -> list[NextStep]:
    """What becomes of the waiting tasks of a job when tasks with these numbers met their needs.
    Those that ended together are counted together: each would see the others as working."""
    steps = []
    for task in waiting:
        left = task.waits_for - len(set(task.needs).intersection(ended))
        if left < task.waits_for:
            state = TaskState.WAITING if left else ready_state(job)
            steps.append(NextStep(task.id, state, left))
    return steps
