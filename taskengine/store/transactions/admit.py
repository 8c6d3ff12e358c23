"""Admission: read the heads of lanes, lock the scopes, then count, decide and write (rule 1)."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import datetime

from taskengine.model import JobState
from taskengine.policy import SYSTEM, Band, Candidate, Settings, choose, rooms, settings_of
from taskengine.store.connections import Connection
from taskengine.store.transactions.counting import Tally
from taskengine.store.transactions.rows import SQL, Row, columns

ROUNDS = 4  # of one admission: the best jobs that there are may be more than their clients' slots


async def admit(connection: Connection, now: datetime, limit: int, writer: int) -> tuple[int, bool]:
    """See Store.admit; and whether others may fit. What is read before the lock is a hint: it is
    read again after it."""
    started: list[Row] = []
    more = True
    for _ in range(ROUNDS):
        wanted = limit - len(started)
        heads = await _heads(connection, wanted) if wanted else []
        admitted = await _admit(connection, heads, now) if heads else []
        started += admitted
        more = bool(admitted) and len(heads) == wanted
        if not more:
            break
    tally = Tally()
    for row in started:
        tally.moved(row, JobState.QUEUED, JobState.STARTED)
    await tally.write(connection, writer)
    return len(started), more


async def _admit(connection: Connection, heads: list[Candidate], now: datetime) -> list[Row]:
    """Start those of the best jobs that fit. The system's scope is locked first,
    so that there is one admission at a time."""
    scopes = sorted({SYSTEM, *(one.client for one in heads)})
    await connection.execute(SQL["lock_scopes"], scopes)
    rows = await connection.fetch(SQL["still_queued"], [one.id for one in heads])
    candidates = [_candidate(row) for row in rows]
    system, clients = await limits(connection)
    running = await running_jobs(connection)
    chosen = choose(candidates, running, system, clients)
    return await _start(connection, chosen, now) if chosen else []


async def _heads(connection: Connection, limit: int) -> list[Candidate]:
    """The best queued jobs of clients that have room for them."""
    system, clients = await limits(connection)
    running = await running_jobs(connection)
    room, own = rooms(running, system, clients)
    if room[1] == 0:
        return []
    rows = await connection.fetch(SQL["lane_heads"], json.dumps(room), json.dumps(own), limit)
    return [_candidate(row) for row in rows]


def _candidate(row: Row) -> Candidate:
    return Candidate(
        row["id"],
        row["client"],
        row["top_of_queue"],
        row["priority"],
        row["position"],
        row["created_at"],
    )


async def _start(
    connection: Connection, chosen: list[tuple[Candidate, Band]], now: datetime
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


async def limits(connection: Connection) -> tuple[Settings, dict[str, Settings]]:
    """The settings of the system and of clients."""
    stored: dict[str, dict[str, str]] = defaultdict(dict)
    for row in await connection.fetch(SQL["all_settings"]):
        stored[row["scope"]][row["name"]] = row["value"]
    system = settings_of(stored.pop(SYSTEM, {}))
    return system, {name: settings_of(own, client=True) for name, own in stored.items()}


async def running_jobs(connection: Connection) -> Counter[tuple[str, Band]]:
    """How many jobs hold slots, by client and band."""
    rows = await connection.fetch(SQL["running"])
    return Counter({(row["client"], Band(row["band"])): row["n"] for row in rows})
