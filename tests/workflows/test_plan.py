"""Which tasks follow an end, as both stores ask it."""

import pytest

from taskengine.model import JobState, PlannedTask, TaskState
from taskengine.workflows.plan import (
    NextStep,
    WaitingTask,
    fails_job,
    first_state,
    following,
    meets_needs,
    needs_of,
    ready_state,
)

BOTH = WaitingTask(id=30, needs=(0, 1), waits_for=2)
OTHER = WaitingTask(id=40, needs=(2,), waits_for=1)


def test_a_task_with_all_its_needs_met_is_queued():
    steps = following([2], [BOTH, OTHER], JobState.STARTED)
    assert steps == [NextStep(40, TaskState.QUEUED, 0)]


def test_a_task_with_a_need_left_goes_on_waiting():
    assert following([0], [BOTH], JobState.STARTED) == [NextStep(30, TaskState.WAITING, 1)]


def test_needs_that_are_met_together_count_each():
    assert following([1, 0], [BOTH], JobState.STARTED) == [NextStep(30, TaskState.QUEUED, 0)]


@pytest.mark.parametrize("state", [JobState.PAUSED, JobState.BROKEN])
def test_a_job_that_does_not_run_holds_its_ready_tasks(state):
    assert following([2], [OTHER], state) == [NextStep(40, TaskState.WAITING, 0)]
    assert ready_state(state) is TaskState.WAITING


def test_each_end_means_one_thing_to_the_others():
    assert [one for one in TaskState if meets_needs(one)] == [
        TaskState.COMPLETED,
        TaskState.SKIPPED,
    ]
    assert [one for one in TaskState if fails_job(one)] == [TaskState.FAILED]


def test_a_task_named_twice_is_one_need():
    planned = PlannedTask("end", "core.noop", "work", needs=(1, 0, 1))
    assert needs_of(planned) == (0, 1)
    assert first_state(planned) is TaskState.WAITING
    assert first_state(PlannedTask("start", "core.noop", "work")) is TaskState.QUEUED
