"""Schedules in memory, and their ticks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from taskengine.model import JsonObject, NotFound
from taskengine.policy import SYSTEM
from taskengine.schedules import Schedule, Tick, check_room, with_interval
from taskengine.store.memory.rows import ScheduleRow
from taskengine.store.memory.tables import Tables


def schedules(tables: Tables) -> Sequence[Schedule]:
    """See Upkeep.schedules."""
    known = [replace(_in_force(tables, row), body=None) for row in tables.schedules.values()]
    return sorted(known, key=lambda one: (one.client is not None, one.name, one.client or ""))


def _in_force(tables: Tables, row: ScheduleRow) -> Schedule:
    settings = tables.limits(SYSTEM, client=False)
    return with_interval(row.schedule, settings.schedule_interval)


def schedule_body(tables: Tables, name: str, client: str) -> JsonObject | None:
    """See Upkeep.schedule_body."""
    row = tables.schedules.get((client, name))
    return row.schedule.body if row else None


def schedule_bodies(
    tables: Tables, whose: Sequence[tuple[str, str]], most: int
) -> Mapping[tuple[str, str], JsonObject | None]:
    """See Upkeep.schedule_bodies."""
    found = {key: tables.schedules[key].schedule for key in whose if key in tables.schedules}
    return {key: one.body if _size(one) <= most else None for key, one in found.items()}


def put_schedule(tables: Tables, schedule: Schedule) -> None:
    """See Upkeep.put_schedule."""
    own = {
        name: _size(row.schedule)
        for (client, name), row in tables.schedules.items()
        if client == schedule.client
    }
    check_room(schedule.name, _size(schedule), own)
    tables.schedules[schedule.client, schedule.name] = ScheduleRow(schedule)


def remove_schedule(tables: Tables, name: str, client: str) -> bool:
    """See Upkeep.remove_schedule."""
    return tables.schedules.pop((client, name), None) is not None


def drop_schedules(tables: Tables, client: str) -> None:
    """Remove those of a client."""
    for key in [one for one in tables.schedules if one[0] == client]:
        del tables.schedules[key]


def activate(tables: Tables, name: str, client: str | None, active: bool, now: datetime) -> None:
    """See Upkeep.activate."""
    row = tables.schedules.get((client, name))
    if row is None:
        raise NotFound(f"there is no schedule {name!r}")
    if row.schedule.active != active:
        first = _in_force(tables, row).first(now)
        changed = replace(row.schedule, active=active, next_at=first)
        tables.schedules[client, name] = ScheduleRow(changed)


def claim_ticks(
    tables: Tables, now: datetime, lease: timedelta
) -> tuple[Sequence[Tick], datetime | None]:
    """See Upkeep.claim_ticks."""
    active = [row for row in tables.schedules.values() if row.schedule.active]
    due = [row for row in active if (row.due_at or now) <= now]
    due.sort(key=lambda row: (row.due_at or now, row.schedule.name, row.schedule.client or ""))
    ticks = [tick for row in due if (tick := _claim(tables, row, now, lease))]
    later = [time for row in active if (time := row.next_after(now))]
    return ticks, min(later, default=None)


def _claim(tables: Tables, row: ScheduleRow, now: datetime, lease: timedelta) -> Tick | None:
    schedule = _in_force(tables, row)
    at = row.tick_at or schedule.next_at
    if at is None:  # nobody has looked at it yet
        row.schedule = replace(row.schedule, next_at=schedule.first(now))
        return None
    if row.tick_at is None:
        row.schedule = replace(row.schedule, next_at=schedule.following(at, now))
    row.tick_at, row.again_at = at, now + lease
    return Tick(replace(schedule, body=None), at)


def end_tick(tables: Tables, tick: Tick) -> None:
    """See Upkeep.end_tick."""
    row = tables.schedules.get((tick.schedule.client, tick.schedule.name))
    if row is not None and row.tick_at == tick.at:
        row.tick_at, row.again_at = None, None


def _size(schedule: Schedule) -> int:
    """Of its body, in bytes."""
    text = json.dumps(schedule.body, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode())
