"""The tasks that can go on after others of their job have ended, as workflows/plan.py has it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from taskengine.model import JobState, TaskState
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.rows import SQL, JobRow, columns
from taskengine.workflows.plan import NextStep, WaitingTask, following


async def advance_tasks(
    connection: Connection,
    jobs: Mapping[int, JobRow],
    done: Sequence[tuple[int, int]],
    now: datetime,
) -> bool:
    """Let go on what waited for tasks (job, number) of jobs that are locked; whether a task was
    queued. What waits is read after the locks (rule 1)."""
    if not done:
        return False
    ended: dict[int, list[int]] = defaultdict(list)
    for job_id, number in done:
        ended[job_id].append(number)
    waiting: dict[int, list[WaitingTask]] = defaultdict(list)
    for row in await connection.fetch(SQL["waiting_tasks"], *columns(done, 2)):
        waiting[row["job_id"]].append(WaitingTask(row["id"], row["needs"], row["waits_for"]))
    steps = [
        step
        for job_id, tasks in waiting.items()
        for step in following(ended[job_id], tasks, JobState(jobs[job_id].state))
    ]
    if steps:
        rows = columns(steps, len(NextStep._fields))
        await connection.execute(SQL["advance_tasks"], *rows, now)
    return any(step.state is TaskState.QUEUED for step in steps)
