"""Admission: read who comes first, lock the scopes, then count, decide and write (rule 1).

A transaction starts as many jobs as it can write the tasks of, and holds up other admissions no
longer than that: the next one goes on, with whoever comes first by then.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from taskengine.admission import (
    TASKS_EACH,
    Candidate,
    Room,
    TakenSlots,
    choose,
    few_enough,
    is_full,
    rooms,
)
from taskengine.fair_shares import Shares, choose_fairly
from taskengine.model import JobState
from taskengine.policy import SYSTEM, Band
from taskengine.store import Admitted
from taskengine.store.postgres.bounds import Bounds, bounds_in, read_bounds
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.counting import Tally
from taskengine.store.postgres.pauses import hold_jobs
from taskengine.store.postgres.rows import SQL, Row, columns
from taskengine.store.postgres.shares import first_in_turn, serve, shares_of, weights_in

SPARE = 50  # of the best queued jobs, among which those that fit are looked for first


@dataclass(frozen=True, slots=True)
class Sight:
    """What is read before the lock: a hint, for it is read again after it. `weights` are those that
    are set: where there is one, slots are shared by them."""

    bounds: Bounds
    running: Counter[tuple[str, Band]]
    weights: Mapping[str, int]

    @property
    def room(self) -> Room:
        return rooms(self.running, self.bounds.system, {})[0]


@dataclass(frozen=True, slots=True)
class Choice:
    """Of the best jobs those that start, and those that are set aside: their workflow is paused."""

    starting: list[tuple[Candidate, Band]]
    held: frozenset[int]
    shares: Shares | None  # None: slots are not shared

    @property
    def ids(self) -> list[int]:
        """In the order of locks."""
        return sorted({one.id for one, _ in self.starting} | self.held)


async def admit(connection: Connection, now: datetime, limit: int, writer: int) -> Admitted:
    """See Store.admit."""
    sight = await _look(connection, now)
    if sight.room[1] == 0:
        return Admitted(0)
    tally = Tally()
    if sight.bounds.paused and await _set_aside(connection, sight, limit, now, tally):
        await tally.write(connection, writer)
        return Admitted(0, more=True)
    heads = await _heads(connection, sight, limit, now)
    if not heads:
        return Admitted(0)
    choice = await _choose(connection, heads, sight.weights, now)
    if choice.held:
        await connection.execute(SQL["lock_jobs"], choice.ids)
    few = few_enough(choice.starting, limit * TASKS_EACH)
    started = await _start(connection, few, now) if few else []
    if choice.shares and started:
        ids = {row["id"] for row in started}
        await serve(connection, choice.shares, [one.client for one, _ in few if one.id in ids])
    for row in started:
        tally.moved(row, JobState.QUEUED, JobState.STARTED)
    held = await hold_jobs(connection, choice.held, now, tally)
    await tally.write(connection, writer)
    # Where no head fits any more, more of them do not; others may where all did. Where slots are
    # shared, the heads are of one priority.
    all_did = len(few) < len(choice.starting) or len(heads) == limit or choice.shares is not None
    waits = tuple(sorted(row["waited"] for row in started))
    return Admitted(len(started), bool(held) or (bool(started) and all_did), waits)


async def _set_aside(
    connection: Connection, sight: Sight, limit: int, now: datetime, tally: Tally
) -> int:
    """Jobs of paused workflows that are first in the queue, many at once, lest they hide others;
    how many. No other is started then: their slots are not looked at, and no scope is locked."""
    rows = await connection.fetch(SQL["first_queued"], limit)
    ids = sorted(row["id"] for row in rows if row["workflow"] in sight.bounds.paused)
    if ids:
        await connection.execute(SQL["lock_jobs"], ids)
    return await hold_jobs(connection, ids, now, tally)


async def _look(connection: Connection, now: datetime) -> Sight:
    rows = await connection.fetch(SQL["system_bounds"])
    return Sight(bounds_in(rows, now), await running_jobs(connection), weights_in(rows))


async def _choose(
    connection: Connection, heads: list[Candidate], weights: Mapping[str, int], now: datetime
) -> Choice:
    """Those of the best jobs that fit. The system's scope is locked first, so that there is one
    admission at a time."""
    scopes = sorted({SYSTEM, *(one.client for one in heads)})
    await connection.execute(SQL["lock_scopes"], scopes)
    rows = await connection.fetch(SQL["still_queued"], [one.id for one in heads])
    bounds = await read_bounds(connection, now, scopes)
    held = frozenset(row["id"] for row in rows if row["workflow"] in bounds.paused)
    candidates = [_candidate(row, row["tasks"]) for row in rows if row["id"] not in held]
    taken = (await running_jobs(connection), bounds.system, bounds.clients)
    if not weights:
        return Choice(choose(candidates, *taken), held, None)
    shares = await shares_of(connection, scopes, weights)
    return Choice(choose_fairly(candidates, TakenSlots.of(*taken), shares), held, shares)


async def _heads(
    connection: Connection, sight: Sight, limit: int, now: datetime
) -> list[Candidate]:
    """The best queued jobs of clients that have room for them. Mostly they are among the first of
    all; where these belong to clients that are full, the groups are read (rule 10)."""
    room, running, system = sight.room, sight.running, sight.bounds.system
    if not sight.weights:
        size = 2 * min(limit, room[1]) + SPARE
        window = [_candidate(row) for row in await connection.fetch(SQL["first_queued"], size)]
        clients = (await read_bounds(connection, now, {one.client for one in window})).clients
        fits = choose(window, running, system, clients)
        if len(window) < size or len(fits) >= limit or is_full(running, fits, system, window[-1]):
            return [one for one, _ in fits[:limit]]
    _, own = rooms(running, system, (await read_bounds(connection, now)).clients)
    if sight.weights:
        most = min(limit, room[1])
        rows = await first_in_turn(connection, room, own, most, sight.weights)
    else:
        given = (json.dumps(room), json.dumps(own), limit)
        rows = await connection.fetch(SQL["group_heads"], *given)
    return [_candidate(row) for row in rows]


def _candidate(row: Row, tasks: int = 0) -> Candidate:
    return Candidate(
        row["id"],
        row["client"],
        row["top_of_queue"],
        row["priority"],
        row["position"],
        row["created_at"],
        tasks,
    )


async def _start(
    connection: Connection, chosen: Sequence[tuple[Candidate, Band]], now: datetime
) -> list[Row]:
    """Start jobs, locked by id, and write their tasks, the best job's first."""
    rows = sorted((one.id, one.priority, int(band)) for one, band in chosen)
    started = {
        row["id"]: row for row in await connection.fetch(SQL["start_jobs"], now, *columns(rows, 3))
    }
    ranked = [candidate.id for candidate, _ in chosen if candidate.id in started]
    await connection.execute(SQL["write_plan"], now, ranked)
    await connection.execute(SQL["release_held"], now, ranked)
    return list(started.values())


async def running_jobs(connection: Connection) -> Counter[tuple[str, Band]]:
    """How many jobs hold slots, by client and band."""
    rows = await connection.fetch(SQL["running"])
    return Counter({(row["client"], Band(row["band"])): row["n"] for row in rows})
