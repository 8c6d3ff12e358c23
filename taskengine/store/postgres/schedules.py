"""Schedules: each tick is handed to one caller, and again to another if that one vanishes."""

from __future__ import annotations

from datetime import datetime, timedelta

from taskengine.model import NotFound
from taskengine.policy import settings_of
from taskengine.schedules import Schedule, Tick, check_room, with_interval
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.rows import SQL, Row, dumped


async def schedules(connection: Connection) -> list[Schedule]:
    """See Store.schedules."""
    interval = await _interval(connection)
    return [_schedule(row, interval) for row in await connection.fetch(SQL["schedules"])]


async def put_schedule(connection: Connection, schedule: Schedule) -> None:
    """See Store.put_schedule. The client's scope is locked, so that it makes one at a time."""
    text = dumped(schedule.body)
    size = len(text.encode())
    await connection.execute(SQL["lock_scope"], schedule.client)
    own = await connection.fetch(SQL["schedules_of"], schedule.client)
    check_room(schedule.name, size, {row["name"]: row["size"] for row in own})
    await connection.execute(
        SQL["put_schedule"],
        schedule.name,
        schedule.kind,
        schedule.description,
        schedule.every,
        schedule.first_in,
        schedule.cron,
        schedule.queue,
        schedule.active,
        schedule.next_at,
        schedule.client,
        text,
        size,
        schedule.created_at,
    )


async def activate(
    connection: Connection, name: str, client: str | None, active: bool, now: datetime
) -> None:
    """See Store.activate."""
    row = await connection.fetchrow(SQL["lock_schedule"], name, client or "")
    if row is None:
        raise NotFound(f"there is no schedule {name!r}")
    if row["active"] != active:
        first = _schedule(row, await _interval(connection)).first(now)
        await connection.execute(SQL["activate_schedule"], name, client or "", active, first)


async def claim_ticks(
    connection: Connection, now: datetime, lease: timedelta
) -> tuple[list[Tick], datetime | None]:
    """See Store.claim_ticks."""
    interval = await _interval(connection)
    ticks: list[Tick] = []
    for row in await connection.fetch(SQL["due_schedules"], now):
        schedule = _schedule(row, interval)
        key = (schedule.client or "", schedule.name)
        due: datetime | None = row["tick_at"] or schedule.next_at
        if due is None:  # nobody has looked at it yet
            first = schedule.first(now)
            await connection.execute(SQL["claim_tick"], *key, first, None, None)
            continue
        following = schedule.next_at if row["tick_at"] else schedule.following(due, now)
        await connection.execute(SQL["claim_tick"], *key, following, due, now + lease)
        ticks.append(Tick(schedule, due))
    return ticks, await connection.fetchval(SQL["next_tick"], now)


async def _interval(connection: Connection) -> int:
    text = await connection.fetchval(SQL["schedule_interval"])
    return settings_of({} if text is None else {"schedule_interval": text}).schedule_interval


def _schedule(row: Row, interval: int) -> Schedule:
    schedule = Schedule(
        name=row["name"],
        kind=row["class"],
        description=row["description"],
        every=row["every"],
        first_in=row["first_in"],
        cron=row["cron"],
        queue=row["queue"],
        active=row["active"],
        next_at=row["next_at"],
        client=row["client"],
        created_at=row["created_at"],
    )
    return with_interval(schedule, interval)
