"""Admission: read the heads of lanes, lock the scopes, then count, decide and write (rule 1)."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime

from taskengine.model import JobState
from taskengine.policy import SYSTEM, Band, Candidate, Settings, choose, settings_of
from taskengine.store.connections import Connection
from taskengine.store.transactions.counting import Tally
from taskengine.store.transactions.rows import SQL, columns


async def admit(connection: Connection, now: datetime, limit: int, writer: int) -> int:
    """See Store.admit."""
    heads = await connection.fetch(SQL["lane_heads"], limit)
    candidates = [
        Candidate(
            row["id"],
            row["client"],
            row["top_of_queue"],
            row["priority"],
            row["position"],
            row["created_at"],
        )
        for row in heads
    ]
    if not candidates:
        return 0
    scopes = sorted({SYSTEM, *(one.client for one in candidates)})
    await connection.execute(SQL["lock_scopes"], scopes)
    system, clients = await _limits(connection)
    running = await _running(connection)
    chosen = choose(candidates, running, system, clients)[:limit]
    if not chosen:
        return 0
    rows = [(candidate.id, int(band)) for candidate, band in chosen]
    started = await connection.fetch(SQL["start_jobs"], now, *columns(rows, 2))
    await connection.execute(SQL["write_plan"], now, [row["id"] for row in started])
    tally = Tally()
    for row in started:
        tally.moved(row["client"], JobState.QUEUED, JobState.STARTED)
    await tally.write(connection, writer)
    return len(started)


async def _limits(connection: Connection) -> tuple[Settings, dict[str, Settings]]:
    stored: dict[str, dict[str, str]] = defaultdict(dict)
    for row in await connection.fetch(SQL["all_settings"]):
        stored[row["scope"]][row["name"]] = row["value"]
    system = settings_of(stored.pop(SYSTEM, {}))
    return system, {name: settings_of(own, client=True) for name, own in stored.items()}


async def _running(connection: Connection) -> Counter[tuple[str, Band]]:
    rows = await connection.fetch(SQL["running"])
    return Counter({(row["client"], Band(row["band"])): row["n"] for row in rows})
