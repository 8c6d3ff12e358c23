"""The ends of jobs: the controller's last lines, the job callback, and those who waited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from taskengine.jobs.changes import OVER
from taskengine.model import Ended, JobState
from taskengine.store.connections import Connection
from taskengine.store.ending import UNEVENTFUL, Ending, conclude
from taskengine.store.transactions.counting import Tally
from taskengine.store.transactions.details import load_contents, load_details
from taskengine.store.transactions.edges import settle_edges
from taskengine.store.transactions.outbox import END, Call
from taskengine.store.transactions.rows import SQL, JobRow, Line


async def conclude_jobs(
    connection: Connection,
    ending: Sequence[JobRow],
    last: Mapping[int, Ended],
    calls: list[Call],
    now: datetime,
    tally: Tally,
) -> list[Line]:
    """End jobs whose tasks are all over, given as they were before, with their last ends; adds to
    `calls` and gives the jobs' last lines."""
    if not ending:
        return []
    endings = await _endings(connection, [job for job in ending if job.state not in OVER])
    await connection.execute(SQL["end_jobs"], [job.id for job in ending], now)
    lines: list[Line] = []
    for job in ending:
        if job.state in OVER:
            continue  # broken: it had its last words when it was stopped
        lines += _say(job, endings.get(job.id, UNEVENTFUL), last[job.id], calls)
        tally.jobs[job.client, job.state, job.failed] -= 1
        tally.jobs[job.client, int(JobState.COMPLETED), job.failed] += 1
    await settle_edges(connection, [job.id for job in ending], now, tally)
    return lines


async def _endings(connection: Connection, jobs: Sequence[JobRow]) -> dict[int, Ending]:
    """What ends of jobs write, where it takes more than their rows to say it: a failure, or a
    callback."""
    called = {job.id for job in jobs if job.has_lanes}
    eventful = called | {job.id for job in jobs if job.failed}
    if not eventful:
        return {}
    details = await load_details(connection, eventful)
    digests = {one.job.digest for one in details if one.job.digest and one.job.id in called}
    contents = await load_contents(connection, digests)
    return {
        one.job.id: conclude(one, contents.get(one.job.digest or ""), called=one.job.id in called)
        for one in details
    }


def _say(job: JobRow, told: Ending, last: Ended, calls: list[Call]) -> list[Line]:
    """A job's last words, under its last task's id."""
    task_id = last.fence.task_id
    if job.has_lanes:
        calls.append(Call(job, task_id, None, END, last.at, body=told.body))
    return [
        (job.id, task_id, int(severity), "controller", message, last.at)
        for severity, message in told.lines
    ]
