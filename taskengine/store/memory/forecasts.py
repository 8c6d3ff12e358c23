"""Starts that are foretold, in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from taskengine.jobs.forecast import PAST, ForecastHits, QueueView, RunningJob, is_right
from taskengine.model import Job, JobState
from taskengine.pauses import PauseKind, paused
from taskengine.policy import SYSTEM
from taskengine.store.forecasts import CAME, COMING, ENDED, FIRST, JUDGED, OPEN, RUNNING
from taskengine.store.memory.admit import limits_of, running_jobs
from taskengine.store.memory.listing import first_in_queue
from taskengine.store.memory.rows import ForecastRow, StoredJob
from taskengine.store.memory.tables import Tables


def queue_view(tables: Tables, now: datetime) -> QueueView:
    """See StoreForecasts.queue_view."""
    rows = list(tables.jobs.values())
    stopped = paused(tables.pauses.values(), PauseKind.WORKFLOW, now)
    queued = [job for job in first_in_queue(tables, len(rows)) if job.workflow not in stopped]
    scheduled = [
        row.job
        for row in rows
        if row.job.state is JobState.SCHEDULED
        and (row.job.semaphore_url is None or row.job.gate_open)
    ]
    since = now - timedelta(seconds=PAST)
    came = [row.job for row in rows if row.job.created_at > since and row.job.digest]
    return QueueView(
        now,
        tables.limits(SYSTEM, client=False),
        limits_of(tables, now),
        running_jobs(tables),
        [
            RunningJob(row.job.client, row.band, row.job.workflow, row.job.updated_at)
            for row in rows
            if row.band is not None and row.job.state is JobState.STARTED
        ][:RUNNING],
        queued[:FIRST],
        queued[FIRST:],
        len(queued),
        sorted(scheduled, key=lambda job: (job.run_at, job.id))[:COMING],
        [job for job in came[::-1] if job.state is not JobState.STARTED][:CAME],
        _run_times(tables, rows),
        tables.shares,
    )


def _run_times(tables: Tables, rows: Sequence[StoredJob]) -> Mapping[str, Sequence[float]]:
    """How long the jobs ran that ended last, in seconds, by workflow."""
    times: dict[str, list[float]] = defaultdict(list)
    ended = [row.job for row in rows if row.job.state is JobState.COMPLETED]
    for job in sorted(ended, key=lambda one: one.updated_at)[-ENDED:]:
        began = _began(tables, job.id)
        if began is not None and job.workspace is None:
            times[job.workflow].append((job.updated_at - began).total_seconds())
    return times


def _began(tables: Tables, job_id: int, after: datetime | None = None) -> datetime | None:
    """When a job started: its first tasks were due then."""
    moments = [
        min(row.due_at, row.claimed_at or row.due_at)
        for row in tables.tasks_of(job_id)
        if row.task.number < 8
    ]
    return min((one for one in moments if after is None or one >= after), default=None)


def jobs_not_foretold(tables: Tables, limit: int) -> Sequence[Job]:
    """See StoreForecasts.jobs_not_foretold."""
    if sum(one.started_at is None for one in tables.forecasts.values()) >= OPEN:
        return []
    queued = [row.job for row in tables.jobs.values() if row.job.state is JobState.QUEUED]
    newest = sorted(queued, key=lambda job: job.id)[-limit:]
    return [job for job in newest if job.id not in tables.forecasts]


def put_forecasts(tables: Tables, starts: Mapping[int, datetime], now: datetime) -> None:
    """See StoreForecasts.put_forecasts."""
    for job_id, start in starts.items():
        tables.forecasts.setdefault(job_id, ForecastRow(now, start))


def judge_forecasts(tables: Tables) -> int:
    """See StoreForecasts.judge_forecasts."""
    waiting = {key: one for key, one in tables.forecasts.items() if one.started_at is None}
    over = 0
    for job_id, one in waiting.items():
        row = tables.jobs.get(job_id)
        if row is not None and row.job.state is JobState.QUEUED:
            continue
        over += 1
        started = _began(tables, job_id, one.made_at)
        if started is None:
            del tables.forecasts[job_id]
        else:
            hit = is_right(one.made_at, one.start_at, started)
            tables.forecasts[job_id] = replace(one, started_at=started, is_right=hit)
    return over


def forecast_hits(tables: Tables) -> ForecastHits:
    """See StoreForecasts.forecast_hits."""
    judged = [one for one in tables.forecasts.values() if one.started_at is not None]
    newest = sorted(judged, key=lambda one: one.started_at or one.made_at)[-JUDGED:]
    return ForecastHits(len(newest), sum(one.is_right for one in newest))
