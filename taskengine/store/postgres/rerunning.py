"""Jobs that run again (A20): as a whole, or from the tasks that did not complete."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from taskengine.jobs.continuing import check_kept, check_retried, kept_tasks, line_of_kept
from taskengine.jobs.new_job import check_rerun
from taskengine.model import BadInput, Job, JobState, PlannedTask, TaskState
from taskengine.policy import SYSTEM, settings_of
from taskengine.store import Lines
from taskengine.store.completion import Fate, fate_of, lost_before
from taskengine.store.postgres.change import Effects, lock_job, stop
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.edges import COMPLETES, ENDS, queue_cascades
from taskengine.store.postgres.rows import SQL, Row, columns, job_of, lines_of
from taskengine.store.postgres.submit import PreparedSubmission, put_data, put_definitions
from taskengine.workflows.plan import meets_needs, needs_of
from taskengine.workflows.workflow import Workflow


@dataclass(frozen=True, slots=True)
class Rest:
    """What a retry takes over: the plan of its definition, what became of the tasks before, and the
    numbers of those that are kept."""

    plan: Sequence[PlannedTask]
    before: dict[str, Row]
    kept: Collection[int]


class TaskOfRest(NamedTuple):
    """As `write_rest` takes it."""

    number: int
    name: str
    action: str
    queue: str
    needs: str  # numbers with commas between
    state: int
    waits_for: int
    attempt: int
    progress: float
    claimed_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None


async def rerun(
    connection: Connection,
    job_id: int,
    lines: Lines,
    now: datetime,
    writer: int,
    anew: PreparedSubmission | None,
) -> int:
    """See Store.rerun: it succeeds once; a second rerun answers with the id already made."""
    return await _written(rerun_with, connection, job_id, lines, now, writer, anew)


async def retry(
    connection: Connection,
    job_id: int,
    lines: Lines,
    now: datetime,
    writer: int,
    anew: PreparedSubmission | None,
) -> int:
    """See Store.retry: it succeeds once, as a rerun does."""
    return await _written(retry_with, connection, job_id, lines, now, writer, anew)


async def _written(
    how: Callable[..., Awaitable[int]],
    connection: Connection,
    job_id: int,
    lines: Lines,
    now: datetime,
    writer: int,
    anew: PreparedSubmission | None,
) -> int:
    """By itself, with its effects."""
    effects = Effects()
    new = await how(connection, job_id, lines, now, anew, effects)
    await effects.write(connection, writer, now)
    return new


async def rerun_with(
    connection: Connection,
    job_id: int,
    lines: Lines,
    now: datetime,
    anew: PreparedSubmission | None,
    effects: Effects,
) -> int:
    """The same, of which `effects` are still to be written."""
    row = await _lock(connection, job_id)
    if row["rerun_as"] is not None:
        return int(row["rerun_as"])
    check_rerun(job_of(row))
    return await _run_again(connection, row, lines, now, anew, None, effects)


async def retry_with(
    connection: Connection,
    job_id: int,
    lines: Lines,
    now: datetime,
    anew: PreparedSubmission | None,
    effects: Effects,
) -> int:
    """The same for a retry."""
    row = await _lock(connection, job_id)
    if row["rerun_as"] is not None:
        return int(row["rerun_as"])
    job = job_of(row)
    check_retried(job)
    rest = await _rest(connection, job, anew, now)
    if rest is not None:
        lines = [*lines, line_of_kept(job_id, len(rest.kept), len(rest.plan))]
    return await _run_again(connection, row, lines, now, anew, rest, effects)


async def _lock(connection: Connection, job_id: int) -> Row:
    """The job, with those that it waits for or waited for: read again after the locks, for a
    parent that was run again meanwhile has handed on its edge."""
    locked: set[int] = set()
    while True:
        rows = await connection.fetch(SQL["lock_with_runs"], job_id)
        if (found := {row["id"] for row in rows}) <= locked:
            return await lock_job(connection, job_id)
        locked |= found


async def _run_again(
    connection: Connection,
    row: Row,
    lines: Lines,
    now: datetime,
    anew: PreparedSubmission | None,
    rest: Rest | None,
    effects: Effects,
) -> int:
    """The new job. It waits until no task of the original runs any more."""
    job, tally = job_of(row), effects.tally
    edges = await _edges_anew(connection, job) if job.state is JobState.BROKEN else None
    tally.moved(row, job.state, JobState.BROKEN)
    open_tasks = row["open_tasks"]
    if not job.state.is_final:
        await stop(connection, row, replace(job, state=JobState.BROKEN), now, effects)
        open_tasks = await connection.fetchval(SQL["open_tasks_of"], job.id)
    new = await _copy(connection, job, now, keeps_workspace=rest is not None)
    await _put_edges(connection, job, new, edges, waits=open_tasks > 0)
    await _put_data(connection, job.id, new, anew)
    if rest is not None:
        await _put_rest(connection, job, new, rest, now)
    [placed] = await connection.fetch(SQL["place_jobs"], [new], now)
    tally.jobs[job.client, placed["state"], False] += 1
    await connection.execute(SQL["break_for_rerun"], job.id, now, new)
    await queue_cascades(connection, [job.id], tally)  # its edges go to the new one
    effects.lines += lines_of(new, lines, now)
    return new


async def _copy(connection: Connection, job: Job, now: datetime, *, keeps_workspace: bool) -> int:
    """The same job; one that keeps the workspace uses that of the first in the chain."""
    workspace = (job.workspace or job.id) if keeps_workspace else None
    given = (job.id, uuid.uuid4(), int(JobState.QUEUED), now, workspace)
    new: int = await connection.fetchval(SQL["copy_job"], *given)
    return new


async def _put_edges(
    connection: Connection,
    job: Job,
    new: int,
    edges: Sequence[tuple[int, bool]] | None,
    *,
    waits: bool,
) -> None:
    """These, or the original's edges; with `waits` it waits for the end of its tasks too."""
    if edges is not None:
        made = [(parent, new, COMPLETES, is_open) for parent, is_open in edges]
        await connection.execute(SQL["add_edges"], *columns(made, 4))
    else:
        await connection.execute(SQL["copy_edges"], job.id, new)
    if waits:
        await connection.execute(SQL["add_edges"], *columns([(job.id, new, ENDS, True)], 4))
    await connection.execute(SQL["count_edges"], [new])


async def _edges_anew(connection: Connection, job: Job) -> list[tuple[int, bool]]:
    """Of a job that was stopped: the parents, and whether it waits for them. What it waits for
    counts as it is now, in the last runs; but what was satisfied stays so. Raises BadInput where
    one of these came to nothing."""
    edges = await connection.fetch(SQL["parents_with_ends"], job.id)
    parents = [row["parent"] for row in edges]
    runs = {row["named"]: row["id"] for row in await connection.fetch(SQL["latest_runs"], parents)}
    states = {row["id"]: row for row in await connection.fetch(SQL["states_of"], [*runs.values()])}
    made = []
    for row in edges:
        if _is_satisfied(row, job):
            made.append((row["parent"], False))
            continue
        run = states.get(runs.get(row["parent"], 0))
        if run is None or run["failed"] or run["state"] == JobState.BROKEN:
            raise BadInput(lost_before(row["parent"] if run is None else run["id"]))
        made.append((run["id"], run["state"] != JobState.COMPLETED))
    return made


def _is_satisfied(edge: Row, job: Job) -> bool:
    """Whether an edge was closed by the parent's completion."""
    if edge["open"] or edge["handed_on"]:
        return False
    if edge["state"] is None:  # the parent was cleaned up
        return not job.failed
    again = edge["rerun_as"] is not None
    fate = fate_of(JobState(edge["state"]), failed=edge["failed"], run_again=again)
    return fate is Fate.COMPLETED


async def _put_data(
    connection: Connection, job_id: int, new: int, anew: PreparedSubmission | None
) -> None:
    """The original's parameters and URLs; or another definition, with what it makes of them."""
    if anew is None:
        await connection.execute(SQL["copy_job_data"], job_id, new)
        await connection.execute(SQL["copy_lanes"], job_id, new)
        return
    one = anew.one
    await put_definitions(connection, [one])
    await put_data(connection, [(new, anew)])
    digest = one.definition and one.definition.digest
    await connection.execute(SQL["redefine_job"], new, digest, one.content_id, len(anew.lanes))


async def _rest(
    connection: Connection, job: Job, anew: PreparedSubmission | None, now: datetime
) -> Rest | None:
    """What a retry takes over; None: nothing, it begins from the start. Raises BadInput."""
    rows = await connection.fetch(SQL["ends_of_tasks"], job.id)
    if not rows:
        return None
    before = {row["name"]: row for row in rows}
    done = {name for name, row in before.items() if meets_needs(TaskState(row["state"]))}
    content = await connection.fetchval(SQL["definition"], job.digest)
    old = new = Workflow.from_content(json.loads(content))
    if anew and anew.one.definition:
        new = Workflow.from_content(anew.one.definition.content)
    kept = kept_tasks(old, new, done)
    stored = {row["name"]: row["value"] for row in await connection.fetch(SQL["settings"], SYSTEM)}
    hours = settings_of(stored).retry_hours
    if kept:
        size = await connection.fetchval(SQL["size_of_results"], job.id)
        check_kept(job, now, hours, size)
    elif job.updated_at < now - timedelta(hours=hours):
        return None
    return Rest(new.plan, before, frozenset(kept))


async def _put_rest(connection: Connection, job: Job, new: int, rest: Rest, now: datetime) -> None:
    """All tasks of the new job. Those that are to run are held until it is admitted, and count
    their attempts on: what earlier ones left in the workspace is not theirs."""
    rows = [_task_of_rest(place, one, rest) for place, one in enumerate(rest.plan)]
    given = columns(rows, len(TaskOfRest._fields))
    await connection.execute(SQL["write_rest"], new, job.priority, now, *given)
    names = [rest.plan[place].name for place in sorted(rest.kept)]
    await connection.execute(SQL["copy_results"], job.id, new, names)
    await connection.execute(SQL["open_tasks"], new, len(rest.plan) - len(rest.kept))


def _task_of_rest(place: int, planned: PlannedTask, rest: Rest) -> TaskOfRest:
    before = rest.before.get(planned.name)
    needs = needs_of(planned)
    given = (place, planned.name, planned.action, planned.queue, ",".join(map(str, needs)))
    attempt = before["attempt"] if before else 0
    if before is None or place not in rest.kept:
        waits_for = sum(need not in rest.kept for need in needs)
        return TaskOfRest(*given, int(TaskState.WAITING), waits_for, attempt, 0.0, None, None, None)
    times = (before["claimed_at"], before["started_at"], before["ended_at"])
    return TaskOfRest(*given, before["state"], 0, attempt, before["progress"], *times)
