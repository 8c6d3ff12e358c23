"""Edges between jobs: who waits for whose completion (`depends_on`), or end (a rerun).

A satisfied edge stays satisfied. What the end of a parent means to those that wait for it is told
by `cascade.py`, step by step.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from taskengine.model import FINAL_STATES, JobState
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.counting import Tally
from taskengine.store.postgres.rows import SQL, Row, columns

COMPLETES, ENDS = "completes", "ends"
PLACED = (JobState.QUEUED, JobState.SCHEDULED)


async def settle_edges(
    connection: Connection, ended: Collection[int], now: datetime, tally: Tally
) -> None:
    """Jobs, which are locked, are over, and none of their tasks runs any more: a rerun goes on, and
    a cascade tells the others that wait for them."""
    rows = await connection.fetch(SQL["close_ends"], sorted(ended), now)
    let_go(rows, tally)
    await queue_cascades(connection, ended, tally)


async def queue_cascades(connection: Connection, parents: Collection[int], tally: Tally) -> None:
    """Jobs, which are locked, will complete no more or have completed: those that wait for this are
    told in transactions of their own, however many they are."""
    queued = await connection.fetch(SQL["queue_cascades"], sorted(parents))
    tally.cascades += len(queued)


def let_go(rows: Sequence[Row], tally: Tally) -> None:
    """Count the children, as they were updated, that wait for no other job any more."""
    for row in rows:
        if row["open_edges"] == 0 and row["state"] in PLACED:
            tally.moved(row, JobState.PENDING, JobState(row["state"]))


async def tie(connection: Connection, wanted: Mapping[int, Collection[int]]) -> dict[int, int]:
    """Tie new jobs to the last runs of their parents, whose rows are locked before they are read
    (rule 12).

    Gives the parent that failed or is gone for each job that has one: it is to be broken.
    """
    parents = sorted({parent for own in wanted.values() for parent in own})
    if not parents:
        return {}
    latest = await _locked_runs(connection, parents)
    named = sorted({*parents, *latest.values()})
    states = {row["id"]: row for row in await connection.fetch(SQL["states_of"], named)}
    edges: list[tuple[int, int, str, bool]] = []
    lost: dict[int, int] = {}
    for child, own in wanted.items():
        for parent in dict.fromkeys(latest.get(one, one) for one in own):
            row = states.get(parent)
            if row is None or row["failed"] or row["state"] == JobState.BROKEN:
                lost.setdefault(child, parent)
            done = row is None or row["state"] in FINAL_STATES
            edges.append((parent, child, COMPLETES, not done))
    await connection.execute(SQL["add_edges"], *columns(edges, 4))
    await connection.execute(SQL["count_edges"], sorted(wanted))
    return lost


async def _locked_runs(connection: Connection, named: Sequence[int]) -> dict[int, int]:
    """The last run of each job, locked such that it is not run again before this commits."""
    locked: set[int] = set()
    while True:
        rows = await connection.fetch(SQL["latest_runs"], named)
        latest: dict[int, int] = {row["named"]: row["id"] for row in rows}
        if locked.issuperset(latest.values()):
            return latest
        locked |= {*latest.values()}
        await connection.execute(SQL["lock_parents"], sorted(latest.values()))
