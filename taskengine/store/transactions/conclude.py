"""The ends of jobs: the controller's last lines and the job callback."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from taskengine.model import Ended, JobDetails, JobState, JsonObject, Task
from taskengine.store.connections import Connection
from taskengine.store.ending import conclude
from taskengine.store.transactions.counting import Tally
from taskengine.store.transactions.outbox import END, Call
from taskengine.store.transactions.rows import SQL, Line, job_of, task_of


async def conclude_jobs(
    connection: Connection,
    over: Mapping[int, Ended],
    calls: list[Call],
    now: datetime,
    tally: Tally,
) -> list[Line]:
    """End the jobs whose tasks are all over; adds to `calls` and gives their last lines."""
    if not over:
        return []
    lanes = {
        row["id"]: row["lanes"] for row in await connection.fetch(SQL["lock_jobs"], sorted(over))
    }
    ending = await load_details(connection, sorted(over))
    await connection.execute(SQL["end_jobs"], sorted(over), now)
    contents = await _contents(connection, {one.job.digest for one in ending if one.job.digest})
    lines: list[Line] = []
    for details in ending:
        job = details.job
        if job.state not in (JobState.STARTED, JobState.PAUSED):
            continue  # broken: it had its last words when it was stopped
        last = over[job.id]
        told = conclude(details, contents.get(job.digest or ""), called=bool(lanes[job.id]))
        for severity, message in told.lines:
            lines.append(
                (job.id, last.fence.task_id, int(severity), "controller", message, last.at)
            )
        if lanes[job.id]:
            calls.append(Call(job, last.fence.task_id, None, END, last.at, body=told.body))
        tally.jobs[job.client, int(job.state), job.failed] -= 1
        tally.jobs[job.client, int(JobState.COMPLETED), job.failed] += 1
    return lines


async def load_details(connection: Connection, job_ids: list[int]) -> list[JobDetails]:
    """Jobs with their parameters and tasks, in the order of their ids."""
    jobs = await connection.fetch(SQL["jobs_by_id"], job_ids)
    data = {row["job_id"]: row for row in await connection.fetch(SQL["data_by_id"], job_ids)}
    tasks: dict[int, list[Task]] = defaultdict(list)
    for row in await connection.fetch(SQL["tasks_by_job"], job_ids):
        tasks[row["job_id"]].append(task_of(row))
    return [
        JobDetails(
            job_of(row),
            json.loads(data[row["id"]]["submitted"]),
            json.loads(data[row["id"]]["parameters"]),
            json.loads(data[row["id"]]["facts"]),
            tasks[row["id"]],
        )
        for row in jobs
    ]


async def _contents(connection: Connection, digests: set[str]) -> dict[str, JsonObject]:
    return {
        digest: json.loads(await connection.fetchval(SQL["definition"], digest))
        for digest in digests
    }
