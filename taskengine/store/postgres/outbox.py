"""The outbox: callbacks are written with the change they tell of, numbered in their lanes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from taskengine.callbacks.bodies import (
    COMPLETE,
    END,
    FAIL,
    NO_EXTRAS,
    START,
    Named,
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
    LaneResult,
    NotFound,
    Severity,
)
from taskengine.store import Dismissed
from taskengine.store.completion import (
    CARRIED_BODY,
    CLIENT_DEFINITIONS,
    COMMON_DEFINITIONS,
    PER_HOST,
    QUICK_LANES,
)
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.lines import put_lines
from taskengine.store.postgres.rows import SQL, Line, columns

__all__ = [
    "COMPLETE",
    "END",
    "FAIL",
    "START",
    "OutboxEvent",
    "claim_lanes",
    "deliver",
    "end_call",
    "entry_of",
    "put_calls",
    "replay",
    "task_call",
]


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """An event that the job's URLs are to hear of. The job's custom data stands in its body between
    what is `before` and what is `behind`, where there is such a thing."""

    job_id: int
    task_id: int
    task_name: str | None
    event: str
    at: datetime
    before: str
    behind: str | None = None


def task_call(
    job: Named,
    task_id: int,
    name: str,
    event: str,
    at: datetime,
    message: str = "",
    extras: str = "",
) -> OutboxEvent:
    """What became of a task."""
    body = task_body(job, task_id, name, event, message, extras)
    return OutboxEvent(job.id, task_id, name, event, at, body)


def end_call(
    job: Named,
    task_id: int,
    at: datetime,
    failure: str | None,
    extras: Mapping[str, str] = NO_EXTRAS,
    *,
    terse: bool = False,
) -> OutboxEvent:
    """The end of a job; a terse one leaves out the job's custom data."""
    before, behind = job_body(job, failure, {"custom_data": "null"} if terse else extras)
    return OutboxEvent(job.id, task_id, None, END, at, before, behind)


async def put_calls(connection: Connection, calls: Sequence[OutboxEvent]) -> None:
    """Write the callbacks of events in their order, numbered under the locks of job and lane."""
    if not calls:
        return
    await connection.fetchval(SQL["lanes_of"], sorted({one.job_id for one in calls}))
    rows = [
        (one.job_id, one.task_id, one.task_name, one.event, one.before, one.behind, one.at)
        for one in calls
    ]
    await connection.execute(SQL["put_events"], *columns(rows, 7))


async def claim_lanes(
    connection: Connection,
    instance: int,
    limit: int,
    busy_hosts: Collection[str],
    now: datetime,
    quick_hosts: Collection[str],
) -> tuple[list[Lane], datetime | None]:
    """See Store.claim_lanes."""
    if not await connection.fetchval(SQL["lock_instance_row"], instance):
        raise Dismissed(instance)
    hosts = (PER_HOST, list(quick_hosts), QUICK_LANES)
    given = (instance, limit, list(busy_hosts), now, *hosts)
    await connection.execute(SQL["plan_by_indexes"])
    rows = await connection.fetch(SQL["claim_lanes"], *given)
    next_due = await connection.fetchval(SQL["next_lane"], now)
    if not rows:
        return [], next_due
    waiting: dict[int, list[Callback]] = defaultdict(list)
    ids = [row["id"] for row in rows]
    for row in await connection.fetch(SQL["waiting_callbacks"], ids, CARRIED_BODY):
        waiting[row["lane_id"]].append(_callback(row))
    jobs = sorted({row["job_id"] for row in rows})
    options = {
        row["id"]: json.loads(row["options"])
        for row in await connection.fetch(SQL["lane_options"], jobs)
    }
    lanes = [
        Lane(
            row["id"],
            row["claims"],
            row["job_id"],
            row["url"],
            row["failures"],
            options.get(row["job_id"], {}),
            waiting[row["id"]],
        )
        for row in rows
    ]
    return lanes, next_due


def _callback(row: Any) -> Callback:
    return Callback(
        row["id"],
        webhook_id(row["lane_id"], row["task_id"], row["event"]),
        row["number"],
        row["event"],
        row["task_id"],
        row["task_name"],
        row["event_id"],
        row["body"],
        row["attempts"],
    )


async def deliver(
    connection: Connection, instance: int, results: Sequence[LaneResult], wait: bool = True
) -> None:
    """See Store.deliver. Each event has one line, by the job's first URL, at its first try; as
    all lines it is written under the lock of the job."""
    if not wait:
        await connection.execute(SQL["wait_for_no_lock"])
    claims = sorted(result.lane for result in results)
    tried_ids = [one.callback_id for result in results for one in result.deliveries]
    await connection.execute(SQL["lock_told"], [lane_id for lane_id, _ in claims], tried_ids)
    held = await connection.fetch(SQL["lock_lanes"], *columns(claims, 2), instance)
    lanes = {(row["id"], row["claims"]): row for row in held}
    mine = [(lanes[one.lane], one.deliveries) for one in results if one.lane in lanes]
    if not mine:
        return
    tried = [
        (one.callback_id, one.delivered, one.status, one.error, one.at)
        for _, deliveries in mine
        for one in deliveries
    ]
    ordinals = {lane["id"]: lane["ordinal"] for lane, _ in mine}
    first = {
        row["id"]: row["task_id"]
        for row in await connection.fetch(SQL["deliver"], *columns(tried, 5))
        if row["attempts"] == 1 and ordinals[row["lane_id"]] == 0
    }
    lines = [
        _line(lane, first[one.callback_id], one.at)
        for lane, deliveries in mine
        for one in deliveries
        if one.callback_id in first
    ]
    await put_lines(connection, lines)
    let_go = sorted((_let_go(lane, deliveries) for lane, deliveries in mine), key=itemgetter(0))
    now = max(one.at for _, deliveries in mine for one in deliveries)
    await connection.execute(SQL["let_go_lanes"], *columns(let_go, 4), now)


def _line(lane: Any, task_id: int, at: datetime) -> Line:
    message = CLIENT_DEFINITIONS if lane["definitions_of"] else COMMON_DEFINITIONS
    return Line(lane["job_id"], task_id, int(Severity.INFO), "callback", message, at)


def _let_go(lane: Any, deliveries: Sequence[Delivery]) -> tuple[Any, ...]:
    """A lane after its tries: failures count from the last success."""
    failures = lane["failures"]
    for one in deliveries:
        failures = 0 if one.delivered else failures + 1
    last = deliveries[-1]
    if last.delivered:
        return (lane["id"], 0, False, None)
    return (lane["id"], failures, last.due_at is None, last.due_at)


async def replay(connection: Connection, callback_id: int, now: datetime) -> None:
    """See Store.replay. Callbacks change under the lock of their lane; that of the job keeps the
    clean-up from it, which has looked at its lanes before."""
    await connection.execute(SQL["keep_job_of_callback"], callback_id)
    lane_id = await connection.fetchval(SQL["lane_of_callback"], callback_id)
    if lane_id is None:
        raise NotFound(f"there is no callback {callback_id}")
    await connection.execute(SQL["send_again"], callback_id)
    await connection.execute(SQL["reopen_lane"], lane_id, now)


def entry_of(row: Any) -> CallbackEntry:
    """A row of the delivery log."""
    delivered, dead = row["delivered_at"] is not None, row["dead"]
    undelivered = CallbackState.DEAD if dead else CallbackState.WAITING
    return CallbackEntry(
        row["id"],
        webhook_id(row["lane_id"], row["task_id"], row["event"]),
        row["url"],
        row["number"],
        row["event"],
        row["task_id"],
        row["task_name"],
        CallbackState.DELIVERED if delivered else undelivered,
        row["attempts"],
        row["status"],
        row["error"],
        row["created_at"],
        row["delivered_at"],
        None if delivered or dead else row["due_at"],
    )
