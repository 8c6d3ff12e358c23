"""Admission: read who comes first, lock the scopes, then count, decide and write (rule 1).

A transaction starts as many jobs as it can write the tasks of, and holds up other admissions no
longer than that: the next one goes on, with whoever comes first by then.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from taskengine.model import JobState
from taskengine.policy import (
    SYSTEM,
    TASKS_EACH,
    Band,
    Candidate,
    Settings,
    choose,
    few_enough,
    is_full,
    rooms,
    settings_of,
)
from taskengine.store import Admitted
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.counting import Tally
from taskengine.store.postgres.rows import SQL, Row, columns

SPARE = 50  # of the best queued jobs, among which those that fit are looked for first


async def admit(connection: Connection, now: datetime, limit: int, writer: int) -> Admitted:
    """See Store.admit. What is read before the lock is a hint: it is read again after it."""
    heads = await _heads(connection, limit)
    if not heads:
        return Admitted(0)
    chosen = await _choose(connection, heads)
    few = few_enough(chosen, limit * TASKS_EACH)
    started = await _start(connection, few, now) if few else []
    tally = Tally()
    for row in started:
        tally.moved(row, JobState.QUEUED, JobState.STARTED)
    await tally.write(connection, writer)
    # Where no head fits any more, more of them do not; others may where all did.
    more = bool(started) and (len(few) < len(chosen) or len(heads) == limit)
    return Admitted(len(started), more, tuple(sorted(row["waited"] for row in started)))


async def _choose(connection: Connection, heads: list[Candidate]) -> list[tuple[Candidate, Band]]:
    """Those of the best jobs that fit. The system's scope is locked first, so that there is one
    admission at a time."""
    scopes = sorted({SYSTEM, *(one.client for one in heads)})
    await connection.execute(SQL["lock_scopes"], scopes)
    rows = await connection.fetch(SQL["still_queued"], [one.id for one in heads])
    candidates = [_candidate(row, row["tasks"]) for row in rows]
    system, clients = await limits(connection, scopes)
    running = await running_jobs(connection)
    return choose(candidates, running, system, clients)


async def _heads(connection: Connection, limit: int) -> list[Candidate]:
    """The best queued jobs of clients that have room for them. Mostly they are among the first of
    all; where these belong to clients that are full, the groups are read (rule 10)."""
    system, _ = await limits(connection, [SYSTEM])
    running = await running_jobs(connection)
    room, _ = rooms(running, system, {})
    if room[1] == 0:
        return []
    size = 2 * min(limit, room[1]) + SPARE
    window = [_candidate(row) for row in await connection.fetch(SQL["first_queued"], size)]
    _, clients = await limits(connection, {one.client for one in window})
    fits = choose(window, running, system, clients)
    if len(window) < size or len(fits) >= limit or is_full(running, fits, system, window[-1]):
        return [one for one, _ in fits[:limit]]
    _, everybody = await limits(connection)
    _, own = rooms(running, system, everybody)
    rows = await connection.fetch(SQL["group_heads"], json.dumps(room), json.dumps(own), limit)
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


async def limits(
    connection: Connection, scopes: Collection[str] | None = None
) -> tuple[Settings, dict[str, Settings]]:
    """What bounds the system, and clients that are bounded: all, or some of them."""
    if scopes is None:
        rows = await connection.fetch(SQL["all_bounds"])
    else:
        rows = await connection.fetch(SQL["bounds_of"], list(scopes))
    stored: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        stored[row["scope"]][row["name"]] = row["value"]
    system = settings_of(stored.pop(SYSTEM, {}))
    return system, {name: settings_of(own, client=True) for name, own in stored.items()}


async def running_jobs(connection: Connection) -> Counter[tuple[str, Band]]:
    """How many jobs hold slots, by client and band."""
    rows = await connection.fetch(SQL["running"])
    return Counter({(row["client"], Band(row["band"])): row["n"] for row in rows})
