"""Jobs that run again, in memory: as a whole, or from the tasks that did not complete."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from taskengine.jobs.continuing import check_kept, check_retried, kept_tasks, line_of_kept
from taskengine.jobs.new_job import check_rerun, rerun_of
from taskengine.model import BadInput, Definition, JobState, Submission, Task, TaskState
from taskengine.policy import SYSTEM
from taskengine.store import Lines
from taskengine.store.completion import Fate, lost_before
from taskengine.store.memory.cascade import fate_of_parent
from taskengine.store.memory.change import stop
from taskengine.store.memory.edges import last_run, place, queue_cascades
from taskengine.store.memory.lines import add_lines
from taskengine.store.memory.outbox import put_lanes
from taskengine.store.memory.rows import COMPLETES, ENDS, Edge, StoredJob, TaskRow
from taskengine.store.memory.tables import Tables
from taskengine.texts import compact
from taskengine.workflows.plan import meets_needs, needs_of
from taskengine.workflows.workflow import Workflow


@dataclass(frozen=True, slots=True)
class KeptTasks:
    """What a retry takes over: what became of the tasks before, and which numbers are kept."""

    before: dict[str, TaskRow]
    kept: Collection[int]


def rerun(
    tables: Tables, job_id: int, lines: Lines, now: datetime, anew: Submission | None = None
) -> int:
    """See Store.rerun."""
    row = tables.job(job_id)
    if row.rerun_as is not None:
        return row.rerun_as
    check_rerun(row.job)
    return _run_again(tables, row, lines, now, anew, None)


def retry(
    tables: Tables, job_id: int, lines: Lines, now: datetime, anew: Submission | None = None
) -> int:
    """See Store.retry."""
    row = tables.job(job_id)
    if row.rerun_as is not None:
        return row.rerun_as
    check_retried(row.job)
    definition = (anew and anew.definition) or row.definition
    assert definition is not None
    rest = _rest(tables, row, definition, now)
    if rest is not None:
        lines = [*lines, line_of_kept(job_id, len(rest.kept), len(definition.plan))]
    return _run_again(tables, row, lines, now, anew, rest)


def _rest(
    tables: Tables, row: StoredJob, definition: Definition, now: datetime
) -> KeptTasks | None:
    """None: nothing is taken over, it begins from the start. Raises BadInput."""
    tasks = tables.tasks_of(row.job.id)
    if not tasks or row.content is None:
        return None
    done = {one.task.name for one in tasks if meets_needs(one.task.state)}
    old, new = (Workflow.from_content(one) for one in (row.content, definition.content))
    kept = kept_tasks(old, new, done)
    hours = tables.limits(SYSTEM, client=False).retry_hours
    if kept:
        size = sum(len(compact(one.task.result).encode()) for one in tasks if one.task.result)
        check_kept(row.job, now, hours, size)
    elif row.job.updated_at < now - timedelta(hours=hours):
        return None
    return KeptTasks({one.task.name: one for one in tasks}, frozenset(kept))


def _run_again(
    tables: Tables,
    row: StoredJob,
    lines: Lines,
    now: datetime,
    anew: Submission | None,
    rest: KeptTasks | None,
) -> int:
    """The new job. It waits until no task of the original runs any more."""
    before = row.job.state
    edges = _edges_again(tables, row)
    row.job = replace(row.job, state=JobState.BROKEN, updated_at=now)
    if not before.is_final:
        stop(tables, row, now)
    new = _copy(tables, row, anew, now, edges)
    if rest is not None:
        _put_rest(tables, row, new, rest, now)
    row.rerun_as, row.handed_on = new.job.id, before is not JobState.COMPLETED
    queue_cascades(tables, [row.job.id])  # its edges go to the new one
    add_lines(tables, new.job.id, lines, now)
    return new.job.id


def _edges_again(tables: Tables, row: StoredJob) -> Sequence[Edge]:
    """What the new job waits for: the same; of one that was stopped, as it is now, in the last
    runs. Raises BadInput where one of these came to nothing."""
    edges = [one for one in tables.edges if one.child == row.job.id]
    if row.job.state is not JobState.BROKEN:
        return edges
    parents = sorted((one for one in edges if one.kind == COMPLETES), key=lambda one: one.parent)
    return [_edge_now(tables, edge, row) for edge in parents]


def _edge_now(tables: Tables, edge: Edge, row: StoredJob) -> Edge:
    if not edge.open and _is_satisfied(tables, edge, row):
        return edge
    parent = last_run(tables, edge.parent)
    run = tables.jobs.get(parent)
    if run is None or run.job.failed or run.job.state is JobState.BROKEN:
        raise BadInput(lost_before(parent))
    return Edge(parent, edge.child, COMPLETES, run.job.state is not JobState.COMPLETED)


def _is_satisfied(tables: Tables, edge: Edge, row: StoredJob) -> bool:
    if edge.parent not in tables.jobs:  # it was cleaned up
        return not row.job.failed
    return fate_of_parent(tables, edge.parent) is Fate.COMPLETED


def _copy(
    tables: Tables,
    row: StoredJob,
    anew: Submission | None,
    now: datetime,
    edges: Sequence[Edge],
) -> StoredJob:
    """The same job with these edges; it waits for the end of the original's tasks."""
    submission = anew or row.submission
    definition = submission.definition if anew else row.definition
    if anew and definition:
        tables.definitions.setdefault(definition.digest, definition)
    job = replace(rerun_of(row.job, anew, now), id=tables.next_id("job"))
    new = StoredJob(job, submission, definition, rerun_of=row.job.id)
    tables.jobs[job.id] = new
    put_lanes(tables, job.id, submission)
    tables.edges += [replace(edge, child=job.id) for edge in edges]
    if row.open_tasks > 0:
        tables.edges.append(Edge(row.job.id, job.id, ENDS, open=True))
    place(tables, new, now)
    return new


def _put_rest(
    tables: Tables, row: StoredJob, new: StoredJob, rest: KeptTasks, now: datetime
) -> None:
    """All tasks of the new job; those that are to run are held until it is admitted."""
    assert new.definition is not None
    new.job = replace(new.job, workspace=row.job.workspace or row.job.id)
    new.open_tasks = len(new.definition.plan) - len(rest.kept)
    for number, planned in enumerate(new.definition.plan):
        before = rest.before.get(planned.name)
        task = Task(
            id=tables.next_id("task"),
            job_id=new.job.id,
            number=number,
            name=planned.name,
            action=planned.action,
            queue=planned.queue,
            state=TaskState.WAITING,
            attempt=before.task.attempt if before else 0,
        )
        needs = needs_of(planned)
        made = TaskRow(task, sum(need not in rest.kept for need in needs), needs, now)
        if before and number in rest.kept:
            kept = replace(before.task, id=task.id, job_id=task.job_id, number=number)
            made.task = replace(kept, queue=task.queue, failures=0, rescues=0)
            made.claimed_at, made.waits_for = before.claimed_at, 0
        tables.tasks[task.id] = made
