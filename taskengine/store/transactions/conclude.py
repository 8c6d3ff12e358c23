"""The ends of jobs: the controller's last lines, the job callback, and those who waited."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from taskengine.jobs.changes import OVER
from taskengine.model import Ended, JobDetails, JobState
from taskengine.store.connections import Connection
from taskengine.store.ending import Ending, conclude
from taskengine.store.transactions.counting import Tally
from taskengine.store.transactions.details import load_contents, load_details
from taskengine.store.transactions.edges import settle_edges
from taskengine.store.transactions.outbox import END, Call
from taskengine.store.transactions.rows import SQL, Line


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
    rows = await connection.fetch(SQL["lock_jobs"], sorted(over))
    called = {row["id"] for row in rows if row["lanes"]}
    ending = await load_details(connection, over)
    await connection.execute(SQL["end_jobs"], sorted(over), now)
    contents = await load_contents(connection, {one.job.digest for one in ending if one.job.digest})
    lines: list[Line] = []
    for details in ending:
        job = details.job
        if job.state in OVER:
            continue  # broken: it had its last words when it was stopped
        told = conclude(details, contents.get(job.digest or ""), called=job.id in called)
        lines += _say(details, told, over[job.id], calls if job.id in called else [])
        tally.jobs[job.client, int(job.state), job.failed] -= 1
        tally.jobs[job.client, int(JobState.COMPLETED), job.failed] += 1
    return lines + await settle_edges(connection, ending, now, tally, calls)


def _say(details: JobDetails, told: Ending, last: Ended, calls: list[Call]) -> list[Line]:
    """A job's last words, under its last task's id."""
    job, task_id = details.job, last.fence.task_id
    calls.append(Call(job, task_id, None, END, last.at, body=told.body))
    return [
        (job.id, task_id, int(severity), "controller", message, last.at)
        for severity, message in told.lines
    ]
