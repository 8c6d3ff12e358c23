"""The store in PostgreSQL: the truth.

What PostgresStore does stands in the modules beside this, by subject, a transaction each: functions
of a connection, on the asyncio side. They keep the rules of correctness: a lock and what it guards
are never read in one statement, and locks are taken in one order: scopes, instances, jobs by id,
tasks by id, lanes, counters.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from taskengine.meters import Meters
from taskengine.model import (
    Client,
    Fence,
    JsonObject,
    Lane,
    LaneFence,
    LaneResult,
    Record,
    Recorded,
    Submission,
)
from taskengine.pauses import Pause
from taskengine.runtime.threads import in_thread
from taskengine.schedules import Schedule, Tick
from taskengine.store import (
    NOTHING_AHEAD,
    Admitted,
    Ahead,
    Beat,
    Changed,
    Claimed,
    Cleared,
    Gate,
    GateAnswer,
    Lines,
    OldJob,
    Settled,
)
from taskengine.store.postgres import (
    admit,
    cascade,
    change,
    claim,
    cleaning,
    clients,
    due,
    gates,
    instances,
    outbox,
    record,
    rerunning,
    schedules,
    stalled,
    submit,
    sweeping,
)
from taskengine.store.postgres import pauses as pausing
from taskengine.store.postgres.bulk import StoredOperations
from taskengine.store.postgres.connections import open_pool
from taskengine.store.postgres.forecasts import Forecasts
from taskengine.store.postgres.notify import announce, listen
from taskengine.store.postgres.overview import Overview
from taskengine.store.postgres.reads import Reads
from taskengine.store.postgres.rows import columns


@asynccontextmanager
async def open_postgres(
    url: str, *, connections: int = 8, meters: Meters | None = None
) -> AsyncIterator[PostgresStore]:
    """The store in the database at `url`, for the length of the block; needs a trio-asyncio loop.

    Nothing is asked of the database yet: it may be away.
    """
    meters = meters or Meters()
    failed = meters.store_errors.labels("connection").inc
    async with open_pool(url, connections, failed) as pool:
        yield PostgresStore(pool, meters=meters)


@dataclass(slots=True)
class PostgresStore(Reads, Overview, StoredOperations, Forecasts):
    """See taskengine.store.Store."""

    @property
    def patient(self) -> PostgresStore:
        """A twin for actors, on the same connections and of the same instance."""
        return PostgresStore(self.pool, True, self._joined, self.meters)

    def apart(self) -> PostgresStore:
        """A twin with a connection of its own, that no load and no outage of others takes away."""
        return PostgresStore(self.pool.apart(1), False, self._joined)

    def testimony(self, process: uuid.UUID) -> str:
        """declare_dead() as a statement, for a witness to say elsewhere."""
        return instances.testimony(process)

    async def time(self) -> datetime:
        """The database's clock, to be carried on by EngineClock; no query uses it by itself."""
        [row] = await self._fetch("time")
        moment: datetime = row["time"]
        return moment

    # Instances

    async def join(
        self, name: str, now: datetime, lease: float = 0.0, process: uuid.UUID | None = None
    ) -> int:
        [row] = await self._fetch("join_instance", name, now, lease, process)
        self._joined.append(row["id"])
        return self.writer

    async def offer(self, instance: int, queue: str, actions: Collection[str]) -> None:
        await self._fetch("put_offer", instance, queue, sorted(actions))

    async def put_workflows(self, instance: int, digest: str) -> None:
        await self._fetch("put_workflows", instance, digest)

    async def leave(self, instance: int, now: datetime, *, fallen: bool = False) -> None:
        await self._do(instances.leave, instance, now, fallen)

    async def beat(self, instance: int) -> Beat:
        return await self._run(partial(instances.beat, instance=instance))

    async def beats(self) -> Mapping[int, int | None]:
        return {row["id"]: row["beat"] for row in await self._fetch("beats")}

    async def leases(self) -> Mapping[int, float]:
        return {row["id"]: row["lease"] for row in await self._fetch("leases")}

    async def declare_dead(self, process: uuid.UUID) -> None:
        await self._fetch("declare_dead", process)

    async def rescue(self, instance: int, beat: int | None, now: datetime) -> Recorded | None:
        return await self._do(instances.rescue, instance, beat, now)

    async def mark_over(self, instance: int, fences: Collection[Fence]) -> None:
        over = sorted((fence.task_id, fence.attempt) for fence in fences)
        await self._fetch("mark_over", instance, *columns(over, 2))

    # Pauses

    async def put_pause(self, pause: Pause) -> None:
        await self._do(pausing.put_pause, pause)

    async def remove_pause(self, kind: str, name: str) -> bool:
        return bool(await self._fetch("remove_pause", kind, name))

    async def pauses(self) -> Sequence[Pause]:
        return [pausing.pause_of(row) for row in await self._fetch("pauses")]

    async def end_pauses(self, now: datetime) -> tuple[int, datetime | None]:
        return await self._do(pausing.end_pauses, now, self.writer, divisible=True)

    # Clients and settings

    async def put_client(
        self, client: Client, *, bootstrap: bool = False, new: bool = False
    ) -> bool:
        return await self._run(partial(clients.put, client=client, bootstrap=bootstrap, new=new))

    async def remove_client(self, name: str) -> bool:
        return await self._run(partial(clients.remove, name=name))

    async def settings(self, client: str) -> Mapping[str, str]:
        return {row["name"]: row["value"] for row in await self._fetch("settings", client)}

    async def settings_by_client(self, clients: Collection[str]) -> Mapping[str, Mapping[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for row in await self._fetch("settings_by_client", list(clients)):
            found.setdefault(row["scope"], {})[row["name"]] = row["value"]
        return found

    async def put_setting(self, client: str, name: str, value: str) -> None:
        await self._do(clients.put_setting, client, name, value)

    # Jobs

    async def submit(self, batch: Sequence[Submission], now: datetime) -> Sequence[int]:
        return await self._do(submit.submit, await _prepared(batch), now, self.writer)

    async def change(
        self, job_id: int, changes: Mapping[str, object], lines: Lines, now: datetime
    ) -> Changed:
        return await self._do(change.change, job_id, changes, lines, now, self.writer)

    async def rerun(
        self, job_id: int, lines: Lines, now: datetime, anew: Submission | None = None
    ) -> int:
        [prepared] = [None] if anew is None else await _prepared([anew])
        return await self._do(rerunning.rerun, job_id, lines, now, self.writer, prepared)

    async def retry(
        self, job_id: int, lines: Lines, now: datetime, anew: Submission | None = None
    ) -> int:
        [prepared] = [None] if anew is None else await _prepared([anew])
        return await self._do(rerunning.retry, job_id, lines, now, self.writer, prepared)

    # Gates

    async def claim_gates(
        self, limit: int, busy_hosts: Collection[str], now: datetime, lease: timedelta
    ) -> tuple[Sequence[Gate], datetime | None]:
        return await self._do(gates.claim_gates, limit, busy_hosts, now, lease)

    async def answer_gates(self, answers: Sequence[GateAnswer]) -> int:
        return await self._run(partial(gates.answer_gates, answers=answers, writer=self.writer))

    # Work

    async def queue_due(self, now: datetime) -> tuple[int, datetime | None]:
        return await self._run(partial(due.queue_due, now=now, writer=self.writer))

    async def admit(self, instance: int, now: datetime, limit: int = 500) -> Admitted:
        return await self._do(admit.admit, now, limit, instance, divisible=True)

    async def claim(
        self,
        instance: int,
        queue: str,
        actions: Collection[str],
        limit: int,
        claim_id: uuid.UUID,
        now: datetime,
        ahead: Ahead = NOTHING_AHEAD,
        contested: bool = True,
    ) -> Claimed:
        arguments = (instance, queue, actions, limit, claim_id, now, ahead, contested)
        return await self._do(claim.claim, *arguments, single=True, divisible=True)

    async def record(
        self, instance: int, records: Sequence[Record], now: datetime, *, wait: bool = True
    ) -> Recorded:
        arguments = (instance, records, now, uuid.uuid4(), wait)
        return await self._do(record.record, *arguments, divisible=True)

    async def current(self, instance: int, fence: Fence) -> bool:
        return bool(await self._fetch("current", instance, fence.task_id, fence.attempt))

    # Recurring work

    async def schedules(self) -> Sequence[Schedule]:
        return await self._run(schedules.schedules)

    async def schedule_body(self, name: str, client: str) -> JsonObject | None:
        rows = await self._fetch("schedule_body", client, name)
        return json.loads(rows[0]["body"]) if rows else None

    async def schedule_bodies(
        self, whose: Sequence[tuple[str, str]], most: int
    ) -> Mapping[tuple[str, str], JsonObject | None]:
        rows = await self._fetch("schedule_bodies", *columns(whose, 2), most)
        return {(row["client"], row["name"]): json.loads(row["body"] or "null") for row in rows}

    async def put_schedule(self, schedule: Schedule) -> None:
        await self._run(partial(schedules.put_schedule, schedule=schedule))

    async def remove_schedule(self, name: str, client: str) -> bool:
        return bool(await self._fetch("remove_schedule", name, client))

    async def activate(self, name: str, client: str | None, active: bool, now: datetime) -> None:
        return await self._do(schedules.activate, name, client, active, now)

    async def claim_ticks(
        self, now: datetime, lease: timedelta
    ) -> tuple[Sequence[Tick], datetime | None]:
        return await self._run(partial(schedules.claim_ticks, now=now, lease=lease))

    async def end_tick(self, tick: Tick) -> None:
        await self._fetch("end_tick", tick.schedule.name, tick.at, tick.schedule.client or "")

    async def clear_old_jobs(
        self, before: datetime, limit: int, after: OldJob | None = None
    ) -> Cleared:
        arguments = (before, limit, after, self.writer)
        return await self._do(cleaning.clear_old_jobs, *arguments, divisible=True)

    async def tidy(self) -> None:
        await self._run(cleaning.tidy)

    async def sweep_edges(self, after: int, now: datetime) -> tuple[int, int | None]:
        return await self._do(sweeping.sweep_edges, after, now, self.writer)

    async def sweep_jobs(self, after: int, now: datetime) -> tuple[Recorded, int | None]:
        return await self._do(stalled.sweep_jobs, after, now, self.writer)

    async def cascade(self, now: datetime, limit: int = 500) -> Settled:
        return await self._do(cascade.cascade, now, limit, self.writer, divisible=True)

    # Callbacks

    async def claim_lanes(
        self,
        instance: int,
        limit: int,
        busy_hosts: Collection[str],
        now: datetime,
        quick_hosts: Collection[str] = (),
    ) -> tuple[Sequence[Lane], datetime | None]:
        arguments = (instance, limit, busy_hosts, now, quick_hosts)
        return await self._do(outbox.claim_lanes, *arguments, divisible=True)

    async def release_lanes(
        self, instance: int, lanes: Collection[LaneFence], now: datetime
    ) -> None:
        await self._fetch("release_some_lanes", instance, now, *columns(sorted(lanes), 2))

    async def deliver(
        self, instance: int, results: Sequence[LaneResult], *, wait: bool = True
    ) -> None:
        await self._do(outbox.deliver, instance, results, wait, divisible=True)

    async def replay(self, callback_id: int, now: datetime) -> None:
        await self._run(partial(outbox.replay, callback_id=callback_id, now=now))

    # Wake-ups

    async def announce(self, topics: Collection[str]) -> None:
        await self._run(partial(announce, topics=topics, origin=self.writer), single=True)

    def listen(self) -> AsyncIterator[str]:
        return listen(self.pool, lambda: self.writer)


async def _prepared(batch: Sequence[Submission]) -> list[submit.PreparedSubmission]:
    """Submissions as their transaction writes them; bodies are among their lines."""
    size = sum(len(text) for one in batch for _, _, text in one.lines)
    return await in_thread(partial(submit.prepare, batch), size)
