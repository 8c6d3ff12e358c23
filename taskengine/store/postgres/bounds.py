"""What admission goes by, as it is stored: limits at both levels, and what is paused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from taskengine.pauses import PauseKind
from taskengine.policy import NOTHING_STARTS, SYSTEM, Settings, settings_of
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.rows import SQL, Row


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of the system and of clients, and which workflows are paused. A client that is paused
    is one whose `max_jobs` is 0."""

    system: Settings
    clients: dict[str, Settings]
    paused: frozenset[str]


async def read_bounds(
    connection: Connection, now: datetime, scopes: Collection[str] | None = None
) -> Bounds:
    """Of some scopes, or of all."""
    if scopes is None:
        rows = await connection.fetch(SQL["all_bounds"])
    else:
        rows = await connection.fetch(SQL["bounds_of"], list(scopes))
    return bounds_in(rows, now)


def bounds_in(rows: Iterable[Row], now: datetime | None) -> Bounds:
    """Those among rows of settings and pauses; without a time, as if nothing were paused."""
    stored: dict[str, dict[str, str]] = defaultdict(dict)
    paused: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["name"] != "paused":
            stored[row["scope"]][row["name"]] = row["value"]
        elif now is not None and (row["until"] is None or now < row["until"]):
            paused[row["value"]].add(row["scope"])
    system = settings_of(stored.pop(SYSTEM, {}))
    clients = {name: settings_of(own, client=True) for name, own in stored.items()}
    for name in paused[PauseKind.CLIENT]:
        clients[name] = NOTHING_STARTS
    return Bounds(system, clients, frozenset(paused[PauseKind.WORKFLOW]))
