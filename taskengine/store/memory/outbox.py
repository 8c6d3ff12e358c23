"""The outbox in memory: callbacks in lanes, and who delivers them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from taskengine.callbacks.bodies import (
    END,
    NO_EXTRAS,
    hears,
    job_body,
    task_body,
    webhook_id,
)
from taskengine.model import (
    Callback,
    CallbackEntry,
    CallbackState,
    Delivery,
    Lane,
    LaneFence,
    LaneResult,
    LogLine,
    NotFound,
    Submission,
    Task,
)
from taskengine.store.completion import (
    CARRIED_BODY,
    PER_HOST,
    QUICK_LANES,
    definitions_line,
    host_of,
)
from taskengine.store.memory.lines import add_line
from taskengine.store.memory.rows import CallbackRow, LaneRow, StoredJob
from taskengine.store.memory.tables import Tables
from taskengine.store.reads import CALLBACKS
from taskengine.texts import compact

T = TypeVar("T")


def put_lanes(tables: Tables, job_id: int, one: Submission) -> None:
    """A lane for each URL of a job."""
    for ordinal, url in enumerate(dict.fromkeys(one.urls)):
        lane = LaneRow(tables.next_id("lane"), job_id, ordinal, url, tuple(one.events))
        tables.lanes[lane.id] = lane


def call_task(
    tables: Tables, task: Task, event: str, at: datetime, message: str = "", extras: str = ""
) -> None:
    """Tell of a task, unless the last words of its job are said."""
    job = tables.jobs[task.job_id].job
    if job.state.is_final:
        return
    body = task_body(job, task.id, task.name, event, message, extras)
    _call(tables, job.id, task.id, task.name, event, body, at)


def call_end(
    tables: Tables,
    row: StoredJob,
    task_id: int,
    failure: str | None,
    at: datetime,
    extras: Mapping[str, str] = NO_EXTRAS,
) -> None:
    """Tell of the end of a job, under the id of its last task."""
    before, behind = job_body(row.job, failure, extras)
    if behind is not None:
        before += compact(row.submitted.get("custom_data")) + behind
    _call(tables, row.job.id, task_id, None, END, before, at)


def _call(
    tables: Tables,
    job_id: int,
    task_id: int,
    name: str | None,
    event: str,
    body: str,
    at: datetime,
) -> None:
    event_id = tables.next_id("event")
    text = body.encode()
    tables.bodies[event_id] = (job_id, text)
    for lane in tables.lanes.values():
        if lane.job_id != job_id or not hears(lane.events, event):
            continue
        lane.last_number += 1
        key = webhook_id(lane.id, task_id, event)
        number = lane.last_number
        told = text if len(text) <= CARRIED_BODY else None
        head = (tables.next_id("callback"), key, number, event, task_id, name)
        new = Callback(*head, event_id, told)
        lane.callbacks.append(CallbackRow(new, at))
        if not lane.dead:
            lane.due_at = lane.due_at or at


def claim_lanes(
    tables: Tables,
    instance: int,
    limit: int,
    busy_hosts: Collection[str],
    now: datetime,
    quick_hosts: Collection[str] = (),
) -> tuple[Sequence[Lane], datetime | None]:
    """See Store.claim_lanes."""
    tables.check_instance(instance)
    free = [
        (lane.due_at, lane.id)
        for lane in tables.lanes.values()
        if lane.holder is None and lane.due_at is not None
    ]
    due = [tables.lanes[lane_id] for due_at, lane_id in sorted(free) if due_at <= now]
    taken = few_for_each_host(due, lambda lane: lane.url, busy_hosts, quick_hosts)[:limit]
    for lane in taken:
        lane.holder = instance
        lane.claims += 1
    later = [due_at for due_at, _ in free if due_at > now]
    return [_lane(tables, lane) for lane in taken], min(later, default=None)


def _lane(tables: Tables, lane: LaneRow) -> Lane:
    options = tables.options_of(lane.job_id) or {}
    next_ones = [row.callback for row in lane.waiting[:16]]
    return Lane(lane.id, lane.claims, lane.job_id, lane.url, lane.failures, options, next_ones)


def release_lanes(
    tables: Tables, instance: int, lanes: Collection[LaneFence], now: datetime
) -> None:
    """See Store.release_lanes."""
    for lane in tables.lanes.values():
        if lane.holder == instance and (lane.id, lane.claims) in lanes:
            lane.let_go(now)


def deliver(
    tables: Tables, instance: int, results: Sequence[LaneResult], *, wait: bool = True
) -> None:
    """See Store.deliver."""
    last = max((one.at for result in results for one in result.deliveries), default=None)
    for result in results:
        lane = tables.lanes.get(result.lane[0])  # none: its job was cleared meanwhile
        if lane and lane.holder == instance and (lane.id, lane.claims) == result.lane:
            for delivery in result.deliveries:
                _settle(tables, lane, delivery)
            if lane.replayed:
                lane.dead, lane.failures = False, 0
                lane.due_at = last if lane.waiting else None
            lane.holder, lane.replayed = None, False


def _settle(tables: Tables, lane: LaneRow, delivery: Delivery) -> None:
    row = next((one for one in lane.waiting if one.callback.id == delivery.callback_id), None)
    if row is None:
        return
    callback = row.callback
    if callback.attempts == 0 and lane.ordinal == 0:
        definition = tables.jobs[lane.job_id].definition
        message = definitions_line(definition.content.get("client") if definition else None)
        add_line(tables, LogLine(lane.job_id, "callback", message, delivery.at, callback.task_id))
    row.callback = replace(callback, attempts=callback.attempts + 1)
    row.status, row.error = delivery.status, delivery.error
    if delivery.delivered:
        row.delivered_at = delivery.at
        lane.failures, lane.due_at = 0, delivery.at if lane.waiting else None
    else:
        lane.failures, lane.due_at = lane.failures + 1, delivery.due_at
        lane.dead = delivery.due_at is None


def event_body(tables: Tables, event_id: int) -> bytes:
    """See StoreReads.event_body."""
    if event_id not in tables.bodies:
        raise NotFound(f"there is no event {event_id}")
    return tables.bodies[event_id][1]


def callbacks_waiting(tables: Tables) -> int:
    """See StoreReads.callbacks_waiting."""
    return sum(len(lane.waiting) for lane in tables.lanes.values())


def callbacks(
    tables: Tables, job_id: int, *, after: int = 0, limit: int = CALLBACKS
) -> Sequence[CallbackEntry]:
    """See StoreReads.callbacks."""
    lanes = [lane for lane in tables.lanes.values() if lane.job_id == job_id]
    log = [_entry(lane, row) for lane in lanes for row in lane.callbacks]
    start = 1 + next((place for place, one in enumerate(log) if one.id == after), -1)
    return log[start : start + limit]


def callback_client(tables: Tables, callback_id: int) -> str:
    """See StoreReads.callback_client."""
    lane, _ = _callback(tables, callback_id)
    return tables.jobs[lane.job_id].job.client


def replay(tables: Tables, callback_id: int, now: datetime) -> None:
    """See Store.replay."""
    lane, row = _callback(tables, callback_id)
    row.delivered_at = None
    lane.dead, lane.failures, lane.due_at = False, 0, now
    lane.replayed = lane.holder is not None


def _callback(tables: Tables, callback_id: int) -> tuple[LaneRow, CallbackRow]:
    for lane in tables.lanes.values():
        for row in lane.callbacks:
            if row.callback.id == callback_id:
                return lane, row
    raise NotFound(f"there is no callback {callback_id}")


def _entry(lane: LaneRow, row: CallbackRow) -> CallbackEntry:
    delivered, one = row.delivered_at is not None, row.callback
    undelivered = CallbackState.DEAD if lane.dead else CallbackState.WAITING
    return CallbackEntry(
        one.id,
        one.webhook_id,
        lane.url,
        one.number,
        one.event,
        one.task_id,
        one.task_name,
        CallbackState.DELIVERED if delivered else undelivered,
        one.attempts,
        row.status,
        row.error,
        row.created_at,
        row.delivered_at,
        None if delivered or lane.dead else lane.due_at,
    )


def few_for_each_host(
    rows: Sequence[T],
    url: Callable[[T], str],
    busy: Collection[str],
    quick: Collection[str] = (),
) -> list[T]:
    """The first of those that wait for a host, none for a busy one."""
    seen: Counter[str] = Counter()
    chosen = []
    for row in rows:
        host = host_of(url(row))
        seen[host] += 1
        if host not in busy and seen[host] <= (QUICK_LANES if host in quick else PER_HOST):
            chosen.append(row)
    return chosen
