"""What a job that goes on where another ended takes over. Pure: both stores decide by it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from graphlib import TopologicalSorter

from taskengine.jobs.new_job import check_rerun
from taskengine.model import BadInput, Job, JobState, Json, Severity
from taskengine.workflows.workflow import Workflow

COMPLETED = "the job has completed: nothing is left to do; POST /jobs/<id>/rerun runs all of it"
LARGEST = 16 << 20  # octets of results that are taken over
HOW_TASKS_RUN = ("queue", "retry", "timeout")  # keys that change nothing of what a task gives
CLEANED_LATE = timedelta(minutes=1)  # no workspace goes while a retry of its job may be under way


def check_retried(job: Job) -> None:
    """Raises BadInput for a job that does not go on from its tasks."""
    check_rerun(job)
    if not job.state.is_final:
        raise BadInput(f"the job is {job.state.label}: it has not ended, and goes on by itself")
    if job.state is JobState.COMPLETED and not job.failed:
        raise BadInput(COMPLETED)


def check_kept(job: Job, now: datetime, hours: int, size: int) -> None:
    """Raises BadInput where what its tasks left is not to be had any more, or too much."""
    if job.updated_at < now - timedelta(hours=hours):
        raise BadInput(
            f"the job ended more than {hours} h ago (the setting retry_hours), and the files of its"
            " tasks are removed: POST /jobs/<id>/rerun runs all of it"
        )
    if size > LARGEST:
        raise BadInput(
            f"the results of its tasks: expected at most {LARGEST} octets, got {size}; POST"
            " /jobs/<id>/rerun runs all of it"
        )


def kept_tasks(before: Workflow, after: Workflow, done: Collection[str]) -> list[int]:
    """The numbers, in the definition `after`, of the tasks that do not run again: they are `done`
    in the job of the definition `before`, say the same in both, and need only such tasks. Where all
    are done, the last one runs again, and the job ends as any does."""
    said = {name: _said(before, place) for place, name in enumerate(before.names)}
    places = {name: place for place, name in enumerate(after.names)}
    needs = {name: after.needs(place) for name, place in places.items()}
    kept: set[str] = set()
    for name in TopologicalSorter(needs).static_order():
        is_same = said.get(name) == _said(after, places[name])
        if is_same and name in done and kept.issuperset(needs[name]):
            kept.add(name)
    numbers = sorted(places[name] for name in kept)
    return numbers[:-1] if len(numbers) == len(places) else numbers


def line_of_kept(job_id: int, kept: int, tasks: int) -> tuple[Severity, str, str]:
    """The line of the new job that says what it took over."""
    told = f"goes on where job {job_id} ended: {kept} of {tasks} tasks are kept, with their results"
    return Severity.INFO, "controller", told


def _said(workflow: Workflow, place: int) -> Json:
    content = workflow.tasks[place].content
    return {key: value for key, value in content.items() if key not in HOW_TASKS_RUN} | {
        "needs": list(workflow.needs(place))
    }
