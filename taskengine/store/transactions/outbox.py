"""The outbox: callbacks are written with the change they tell of, numbered in their lanes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskengine.callbacks.bodies import (
    COMPLETE,
    END,
    FAIL,
    START,
    Named,
    hears,
    task_body,
    webhook_id,
)
from taskengine.model import (
    Callback,
    CallbackEntry,
    CallbackState,
    Delivery,
    JsonObject,
    Lane,
    NotFound,
    Severity,
)
from taskengine.store import Dismissed
from taskengine.store.connections import Connection
from taskengine.store.ending import CLIENT_DEFINITIONS, COMMON_DEFINITIONS, PER_HOST
from taskengine.store.transactions.lines import put_lines
from taskengine.store.transactions.rows import SQL, columns, dumped

__all__ = [
    "COMPLETE",
    "END",
    "FAIL",
    "START",
    "Call",
    "claim_lanes",
    "deliver",
    "entry_of",
    "put_calls",
    "replay",
]


@dataclass(frozen=True, slots=True)
class Call:
    """An event that the job's URLs are to hear of."""

    job: Named
    task_id: int
    task_name: str | None
    event: str
    at: datetime
    message: str = ""
    body: JsonObject | None = None

    @property
    def text(self) -> str:
        if self.body is not None:
            return dumped(self.body)
        name = self.task_name or ""
        return dumped(task_body(self.job, self.task_id, name, self.event, self.message))


async def put_calls(connection: Connection, calls: Sequence[Call]) -> None:
    """Write the callbacks of events in their order, numbered under the locks of job and lane."""
    if not calls:
        return
    lanes: dict[int, list[Any]] = defaultdict(list)
    for row in await connection.fetch(SQL["lanes_of"], sorted({one.job.id for one in calls})):
        lanes[row["job_id"]].append(row)
    numbers = {row["id"]: row["last_number"] for rows in lanes.values() for row in rows}
    woken: dict[int, datetime] = {}
    rows = []
    for call in calls:
        text = call.text
        for lane in lanes[call.job.id]:
            if not hears(lane["events"], call.event):
                continue
            lane_id = lane["id"]
            numbers[lane_id] += 1
            woken.setdefault(lane_id, call.at)
            key = webhook_id(lane_id, call.task_id, call.event)
            head = (lane_id, numbers[lane_id], call.job.id, call.task_id, call.task_name)
            rows.append((*head, call.event, key, text, call.at))
    if rows:
        await connection.execute(SQL["put_callbacks"], *columns(rows, 9))
        wake = [(lane_id, numbers[lane_id], at) for lane_id, at in sorted(woken.items())]
        await connection.execute(SQL["wake_lanes"], *columns(wake, 3))


async def claim_lanes(
    connection: Connection, instance: int, limit: int, busy_hosts: Collection[str], now: datetime
) -> tuple[list[Lane], datetime | None]:
    """See Store.claim_lanes."""
    if not await connection.fetchval(SQL["lock_presence"], instance):
        raise Dismissed(instance)
    given = (instance, limit, list(busy_hosts), now, PER_HOST)
    await connection.execute(SQL["plan_by_indexes"])
    rows = await connection.fetch(SQL["claim_lanes"], *given)
    next_due = await connection.fetchval(SQL["next_lane"], now)
    if not rows:
        return [], next_due
    waiting: dict[int, list[Callback]] = defaultdict(list)
    for row in await connection.fetch(SQL["waiting_callbacks"], [row["id"] for row in rows]):
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
        row["webhook_id"],
        row["number"],
        row["event"],
        row["task_id"],
        row["task_name"],
        json.loads(row["body"]),
        row["attempts"],
    )


async def deliver(connection: Connection, instance: int, deliveries: Sequence[Delivery]) -> None:
    """See Store.deliver. Each event has one line, by the job's first URL, at its first try; as
    all lines it is written under the lock of the job."""
    claims = sorted({(one.lane_id, one.claim) for one in deliveries})
    tried_ids = [one.callback_id for one in deliveries]
    await connection.execute(SQL["lock_told"], [lane_id for lane_id, _ in claims], tried_ids)
    held = await connection.fetch(SQL["lock_lanes"], *columns(claims, 2), instance)
    lanes = {row["id"]: row for row in held}
    mine = [one for one in deliveries if one.lane_id in lanes]
    if not mine:
        return
    tried = [(one.callback_id, one.delivered, one.status, one.error, one.at) for one in mine]
    first = {
        row["id"]: row["task_id"]
        for row in await connection.fetch(SQL["deliver"], *columns(tried, 5))
        if row["attempts"] == 1 and lanes[row["lane_id"]]["ordinal"] == 0
    }
    lines = [
        _line(lanes[one.lane_id], first[one.callback_id], one.at)
        for one in mine
        if one.callback_id in first
    ]
    await put_lines(connection, lines)
    tries: dict[int, list[Delivery]] = defaultdict(list)
    for one in mine:
        tries[one.lane_id].append(one)
    let_go = [_let_go(lanes[lane_id], tried) for lane_id, tried in sorted(tries.items())]
    now = max(one.at for one in mine)
    await connection.execute(SQL["let_go_lanes"], *columns(let_go, 4), now)


def _line(lane: Any, task_id: int, at: datetime) -> tuple[Any, ...]:
    message = CLIENT_DEFINITIONS if lane["definitions_of"] else COMMON_DEFINITIONS
    return (lane["job_id"], task_id, int(Severity.INFO), "callback", message, at)


def _let_go(lane: Any, tries: Sequence[Delivery]) -> tuple[Any, ...]:
    """A lane after its tries: failures count from the last success."""
    failures = lane["failures"]
    for one in tries:
        failures = 0 if one.delivered else failures + 1
    last = tries[-1]
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
        row["webhook_id"],
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
