"""Recurring work and clean-up in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import trio

from taskengine.model import JsonObject, NotFound
from taskengine.policy import SYSTEM, settings_of
from taskengine.schedules import Schedule, Tick, check_room, with_interval
from taskengine.store import Cleared, OldJob
from taskengine.store.completion import MAX_CHILDREN
from taskengine.store.memory.operations import MemoryOperations
from taskengine.store.memory.rows import ScheduleRow


class MemorySchedules(MemoryOperations):
    """Schedules, their ticks, and the jobs that nobody needs any more."""

    async def schedules(self) -> Sequence[Schedule]:
        await trio.lowlevel.checkpoint()
        known = [replace(self._in_force(row), body=None) for row in self._recurring.values()]
        return sorted(known, key=lambda one: (one.client is not None, one.name, one.client or ""))

    def _in_force(self, row: ScheduleRow) -> Schedule:
        settings = settings_of(self._settings.get(SYSTEM, {}))
        return with_interval(row.schedule, settings.schedule_interval)

    async def schedule_body(self, name: str, client: str) -> JsonObject | None:
        await trio.lowlevel.checkpoint()
        row = self._recurring.get((client, name))
        return row.schedule.body if row else None

    async def put_schedule(self, schedule: Schedule) -> None:
        await trio.lowlevel.checkpoint()
        own = {
            name: _size(row.schedule)
            for (client, name), row in self._recurring.items()
            if client == schedule.client
        }
        check_room(schedule.name, _size(schedule), own)
        self._recurring[schedule.client, schedule.name] = ScheduleRow(schedule)

    async def remove_schedule(self, name: str, client: str) -> bool:
        await trio.lowlevel.checkpoint()
        return self._recurring.pop((client, name), None) is not None

    def _drop_schedules(self, client: str) -> None:
        for key in [one for one in self._recurring if one[0] == client]:
            del self._recurring[key]

    async def activate(self, name: str, client: str | None, active: bool, now: datetime) -> None:
        await trio.lowlevel.checkpoint()
        row = self._recurring.get((client, name))
        if row is None:
            raise NotFound(f"there is no schedule {name!r}")
        if row.schedule.active != active:
            first = self._in_force(row).first(now)
            changed = replace(row.schedule, active=active, next_at=first)
            self._recurring[client, name] = ScheduleRow(changed)

    async def claim_ticks(
        self, now: datetime, lease: timedelta
    ) -> tuple[Sequence[Tick], datetime | None]:
        await trio.lowlevel.checkpoint()
        active = [row for row in self._recurring.values() if row.schedule.active]
        due = [row for row in active if (row.due_at or now) <= now]
        due.sort(key=lambda row: (row.due_at or now, row.schedule.name, row.schedule.client or ""))
        ticks = [tick for row in due if (tick := self._claim(row, now, lease))]
        later = [time for row in active if (time := row.next_after(now))]
        return ticks, min(later, default=None)

    def _claim(self, row: ScheduleRow, now: datetime, lease: timedelta) -> Tick | None:
        schedule = self._in_force(row)
        at = row.tick_at or schedule.next_at
        if at is None:  # nobody has looked at it yet
            row.schedule = replace(row.schedule, next_at=schedule.first(now))
            return None
        if row.tick_at is None:
            row.schedule = replace(row.schedule, next_at=schedule.following(at, now))
        row.tick_at, row.again_at = at, now + lease
        return Tick(replace(schedule, body=None), at)

    async def end_tick(self, tick: Tick) -> None:
        await trio.lowlevel.checkpoint()
        row = self._recurring.get((tick.schedule.client, tick.schedule.name))
        if row is not None and row.tick_at == tick.at:
            row.tick_at, row.again_at = None, None

    # Clean-up

    async def tidy(self) -> None:
        await trio.lowlevel.checkpoint()
        used = {row.definition.digest for row in self._jobs.values() if row.definition}
        self._definitions = {
            one: self._definitions[one] for one in self._definitions if one in used
        }
        self._forget_removed()

    def _forget_removed(self) -> None:
        """The settings of clients that are gone, as soon as no job of theirs is left."""
        known = {SYSTEM, *self._clients, *(row.job.client for row in self._jobs.values())}
        self._settings = {name: own for name, own in self._settings.items() if name in known}

    async def clear_old_jobs(
        self, before: datetime, limit: int, after: OldJob | None = None
    ) -> Cleared:
        await trio.lowlevel.checkpoint()
        old = sorted(
            (row.job.updated_at, row.job.id)
            for row in self._jobs.values()
            if row.over and row.job.updated_at < before and not row.job.persist
        )
        looked_at = [place for place in old if after is None or place > after][:limit]
        ids = {job_id for _, job_id in looked_at if not self._spared(job_id)}
        self._clear(ids)
        return Cleared(len(ids), looked_at[-1] if len(looked_at) == limit else None)

    def _spared(self, job_id: int) -> bool:
        lanes = (lane for lane in self._lanes.values() if lane.job_id == job_id)
        return any(lane.live for lane in lanes) or self._needed(job_id)

    def _needed(self, parent: int) -> bool:
        children = [edge.child for edge in self._edges if edge.parent == parent]
        many = len(children) > MAX_CHILDREN
        return many or any(not self._jobs[child].job.state.is_final for child in children)

    def _clear(self, ids: set[int]) -> None:
        def kept(job_id: int) -> bool:
            return job_id not in ids

        self._jobs = {key: row for key, row in self._jobs.items() if kept(key)}
        self._requests = {key: value for key, value in self._requests.items() if kept(value)}
        self._keys = {key: value for key, value in self._keys.items() if kept(value)}
        self._tasks = {key: row for key, row in self._tasks.items() if kept(row.task.job_id)}
        self._bodies = {key: one for key, one in self._bodies.items() if kept(one[0])}
        self._lanes = {key: row for key, row in self._lanes.items() if kept(row.job_id)}
        self._lines = [line for line in self._lines if kept(line.job_id)]
        self._edges = [edge for edge in self._edges if kept(edge.child)]


def _size(schedule: Schedule) -> int:
    """Of its body, in bytes."""
    text = json.dumps(schedule.body, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode())
