"""The ends of jobs: the controller's last lines, the job callback, and those who waited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from taskengine.model import FINAL_STATES, Ended, JobState
from taskengine.store.completion import NO_EXTRAS, STALLED, Extras, failure_of, last_words
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.counting import Tally
from taskengine.store.postgres.edges import settle_edges
from taskengine.store.postgres.extras import render
from taskengine.store.postgres.outbox import OutboxEvent, end_call
from taskengine.store.postgres.rows import SQL, JobRow, Line


async def conclude_jobs(
    connection: Connection,
    ending: Sequence[JobRow],
    last: Mapping[int, Ended],
    calls: list[OutboxEvent],
    now: datetime,
    tally: Tally,
) -> list[Line]:
    """What follows from the end of jobs, given as they were before, with their last ends; adds to
    `calls` and gives the jobs' last lines."""
    if not ending:
        return []
    unsaid = [
        job for job in ending if job.state not in FINAL_STATES
    ]  # the others were stopped, and told
    failures = await _failures(connection, [job for job in unsaid if job.failed], last)
    called = [job.id for job in unsaid if job.has_lanes and not last[job.id].terse]
    extras = await render(connection, called)
    lines: list[Line] = []
    for job in unsaid:
        failure = failures.get(job.id)
        lines += _say(job, failure, extras.get(job.id, NO_EXTRAS), last[job.id], calls)
        tally.jobs[job.client, job.state, job.failed] -= 1
        tally.jobs[job.client, int(JobState.COMPLETED), job.failed] += 1
        tally.ended(job.client, job.failed, now)
    await settle_edges(connection, [job.id for job in ending], now, tally)
    return lines


async def _failures(
    connection: Connection, failed: Sequence[JobRow], last: Mapping[int, Ended]
) -> dict[int, str | None]:
    """Why jobs failed."""
    ids = [job.id for job in failed]
    rows = await connection.fetch(SQL["first_failures"], ids) if ids else []
    first = {row["job_id"]: (row["name"], row["error"]) for row in rows}
    return {
        job_id: failure_of(True, first.get(job_id), stalled=last[job_id].error == STALLED)
        for job_id in ids
    }


def _say(
    job: JobRow, failure: str | None, extras: Extras, last: Ended, calls: list[OutboxEvent]
) -> list[Line]:
    """A job's last words, under its last task's id."""
    task_id = last.fence.task_id
    texts, problems = extras
    is_terse = job.has_lanes and last.terse
    if job.has_lanes:
        calls.append(end_call(job, task_id, last.at, failure, texts, terse=last.terse))
    return [
        Line(job.id, task_id, int(severity), "controller", message, last.at)
        for severity, message in last_words(failure, problems, terse=is_terse)
    ]
