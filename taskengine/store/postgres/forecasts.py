"""Starts that are foretold: the queue as it is, and what became of the forecasts."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from taskengine.fair_shares import Shares
from taskengine.jobs.forecast import FEW, PAST, ForecastHits, QueueView, RunningJob, is_right
from taskengine.model import Job
from taskengine.policy import SYSTEM, Band
from taskengine.store.forecasts import (
    CAME,
    COMING,
    ENDED,
    FIRST,
    JUDGED,
    LISTED,
    OF_WORKFLOW,
    OPEN,
    PLACES,
    RUNNING,
    SAMPLED,
    THIN,
    WORKFLOWS,
)
from taskengine.store.postgres.admit import running_jobs
from taskengine.store.postgres.bounds import read_bounds
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.rows import SQL, Row, columns, job_of
from taskengine.store.postgres.runner import Runner
from taskengine.store.postgres.shares import shares_of, weights_in


@dataclass(slots=True)
class Forecasts(Runner):
    """See taskengine.store.forecasts.StoreForecasts."""

    async def queue_view(self, now: datetime) -> QueueView:
        return await self._do(queue_view, now)

    async def jobs_not_foretold(self, limit: int) -> Sequence[Job]:
        return [job_of(row) for row in await self._fetch("jobs_not_foretold", limit, OPEN)]

    async def put_forecasts(self, starts: Mapping[int, datetime], now: datetime) -> None:
        rows = [(job_id, now, start) for job_id, start in sorted(starts.items())]
        if rows:
            await self._fetch("put_forecasts", *columns(rows, 3))

    async def judge_forecasts(self) -> int:
        return await self._do(judge_forecasts)

    async def forecast_hits(self) -> ForecastHits:
        [row] = await self._fetch("forecast_hits", JUDGED)
        return ForecastHits(row["judged"], row["right_ones"])


async def queue_view(connection: Connection, now: datetime) -> QueueView:
    """See StoreForecasts.queue_view. It locks nothing."""
    await connection.execute(SQL["one_snapshot"])
    await connection.execute(SQL["plan_by_indexes"])
    bounds = await read_bounds(connection, now)
    rows = await connection.fetch(SQL["slot_holders"], RUNNING)
    running = [
        RunningJob(row["client"], Band(row["band"]), row["workflow"], row["started_at"])
        for row in rows
    ]
    [queue] = await connection.fetch(SQL["queue_range"])
    first = await _jobs(connection, "first_in_queue", FIRST)
    sample = await _sample(connection, queue) if len(first) == FIRST else []
    coming = await _jobs(connection, "coming_jobs", COMING)
    came = await _jobs(connection, "jobs_that_came", now - timedelta(seconds=PAST), CAME)
    jobs = [*first, *sample, *coming, *came]
    workflows = {one.workflow for one in running} | {job.workflow for job in jobs}
    return QueueView(
        now,
        bounds.system,
        bounds.clients,
        await running_jobs(connection),
        running,
        [job for job in first if job.workflow not in bounds.paused],
        [job for job in sample if job.workflow not in bounds.paused],
        queue["length"],
        coming,
        came,
        await _run_times(connection, workflows, queue["oldest"]),
        await _shares(connection, {job.client for job in jobs}),
    )


async def _jobs(connection: Connection, name: str, *arguments: object) -> list[Job]:
    return [job_of(row) for row in await connection.fetch(SQL[name], *arguments)]


async def _sample(connection: Connection, queue: Row) -> list[Job]:
    """Some of the queued jobs that are as all of them are. Of a long queue those at some places
    among its ids: one in each of equal parts, by lot; none, where hardly any is met."""
    if queue["length"] <= LISTED:
        step = max(1, queue["length"] // SAMPLED)
        rows = await connection.fetch(SQL["queued_evenly"], step, LISTED)
        return await _jobs(connection, "queued_among", [row["id"] for row in rows])
    oldest, newest = queue["oldest"], queue["newest"]
    part, lot = (newest - oldest + 1) / PLACES, random.Random(oldest)
    ids = {oldest + int((number + lot.random()) * part) for number in range(PLACES)}
    met = await _jobs(connection, "queued_among", sorted(ids))
    return met[:: max(1, len(met) // SAMPLED)] if len(met) >= THIN else []


async def _run_times(
    connection: Connection, workflows: Collection[str], oldest: int | None
) -> Mapping[str, Sequence[float]]:
    """How long jobs ran, in seconds, by workflow."""
    rows = await connection.fetch(SQL["recent_run_times"], ENDED)
    known = Counter(row["workflow"] for row in rows)
    unknown = sorted(name for name in workflows if known[name] < FEW)[:WORKFLOWS]
    before = 2**63 - 1 if oldest is None else oldest
    rows += await connection.fetch(SQL["run_times_of"], unknown, before, OF_WORKFLOW)
    times: dict[str, list[float]] = defaultdict(list)
    for row in {row["id"]: row for row in rows}.values():
        times[row["workflow"]].append(row["seconds"])
    return times


async def _shares(connection: Connection, clients: Collection[str]) -> Shares:
    weights = weights_in(await connection.fetch(SQL["system_bounds"]))
    if not weights:
        return Shares({})
    return await shares_of(connection, sorted({SYSTEM, *clients}), weights)


async def judge_forecasts(connection: Connection) -> int:
    """See StoreForecasts.judge_forecasts."""
    rows = await connection.fetch(SQL["foretold_starts"], OPEN)
    started = [row for row in rows if row["started_at"] is not None]
    judged = [
        (
            row["job_id"],
            row["started_at"],
            is_right(row["made_at"], row["start_at"], row["started_at"]),
        )
        for row in started
    ]
    if judged:
        await connection.execute(SQL["judge_forecasts"], *columns(judged, 3))
        await connection.execute(SQL["clear_forecasts"], JUDGED)
    if void := [row["job_id"] for row in rows if row["started_at"] is None]:
        await connection.execute(SQL["drop_forecasts"], void)
    return len(rows)
