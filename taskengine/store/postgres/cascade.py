"""Cascades: what the end of a job means to those that wait for its completion (rule 12).

Whoever ends a job only notes that others wait for it. Their edges stay open, so that none of them
starts; they are settled here, some hundred in a transaction, by any instance. A job that completed
lets its children go on, one that did not breaks them, and theirs in steps of their own; one that
was run again before it ended hands them on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from taskengine.model import FINAL_STATES, JobState, Severity
from taskengine.store import Settled
from taskengine.store.completion import PARENTS, Fate, fate_of, lost
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.counting import Tally
from taskengine.store.postgres.edges import let_go, queue_cascades
from taskengine.store.postgres.lines import put_lines
from taskengine.store.postgres.outbox import OutboxEvent, end_call, put_calls
from taskengine.store.postgres.rows import SQL, Line, Row, columns

MAX_CALLS = 5_000  # callbacks that one step writes, or a job's own if it has more
MAX_OCTETS = 8 << 20  # of the documents that they are made of, or a job's own

Pair = tuple[int, int]  # a parent and its child


@dataclass(slots=True)
class Family:
    """Jobs that are over, those that they hand on to, and some of their children, all locked."""

    jobs: Mapping[int, Row]
    edges: dict[Fate, list[Pair]] = field(default_factory=lambda: defaultdict(list))

    def fate(self, parent: int) -> Fate:
        job = self.jobs.get(parent)
        if job is None:
            return Fate.LOST
        if job["handed_on"]:
            return Fate.HANDED_ON if job["rerun_as"] in self.jobs else Fate.LOST
        again = job["rerun_as"] is not None
        return fate_of(JobState(job["state"]), failed=job["failed"], run_again=again)


async def cascade(connection: Connection, now: datetime, limit: int, writer: int) -> Settled:
    """See Store.cascade. Who is told of what is read after the locks (rule 1); the queue's rows
    keep two steps from the same job."""
    claimed = await connection.fetch(SQL["claim_cascades"], PARENTS)
    if not claimed:
        return Settled()
    parents = [row["parent"] for row in claimed]
    family = await _lock(connection, parents, limit)
    tally = Tally()
    calls: list[OutboxEvent] = []
    # Handed on first: who is broken then may be the one that was handed to.
    handed = await _hand_on(connection, family, tally)
    lines, broken = await _break(connection, family.edges[Fate.LOST], family, now, calls, tally)
    closed = [*broken, *family.edges[Fate.COMPLETED]]
    if closed:
        let_go(await connection.fetch(SQL["close_edges"], *columns(closed, 2), now), tally)
    left = await connection.fetch(SQL["end_cascades"], parents)
    await put_lines(connection, lines)
    await put_calls(connection, calls)
    await tally.write(connection, writer)
    more = bool(left or tally.cascades) or len(parents) == PARENTS
    return Settled(len(closed) + handed, more)


async def _lock(connection: Connection, parents: Sequence[int], limit: int) -> Family:
    """All jobs of a step in the order of their ids, and the edges that are open then."""
    each = max(1, limit // len(parents))
    some = await connection.fetch(SQL["some_edges"], parents, each)
    heirs = await connection.fetch(SQL["heirs_of"], parents)
    ids = {*parents, *(row["child"] for row in some), *(row["rerun_as"] for row in heirs)}
    rows = await connection.fetch(SQL["lock_family"], sorted(ids))
    family = Family({row["id"]: row for row in rows})
    pairs = [(row["parent"], row["child"]) for row in some]
    for row in await connection.fetch(SQL["still_open"], *columns(pairs, 2)):
        family.edges[family.fate(row["parent"])].append((row["parent"], row["child"]))
    return family


async def _break(
    connection: Connection,
    edges: Collection[Pair],
    family: Family,
    now: datetime,
    calls: list[OutboxEvent],
    tally: Tally,
) -> tuple[list[Line], list[Pair]]:
    """Break the children of jobs that did not complete, as many as one transaction may tell of;
    gives their lines, and the edges that are settled by it."""
    because: dict[int, int] = {}
    for parent, child in edges:
        because.setdefault(child, parent)
    wanted = [
        family.jobs[one] for one in sorted(because) if family.jobs[one]["state"] not in FINAL_STATES
    ]
    few = await _few_enough(connection, wanted)
    later = {job["id"] for job in wanted[len(few) :]}
    for job in few:
        tally.jobs[job["client"], job["state"], job["failed"]] -= 1
        tally.jobs[job["client"], int(JobState.BROKEN), True] += 1
    named = {job["id"]: Child(*(job[name] for name in Child.FIELDS)) for job in few}
    lines = await break_jobs(connection, named, because, now, calls, tally)
    return lines, [pair for pair in edges if pair[1] not in later]


async def _few_enough(connection: Connection, jobs: Sequence[Row]) -> Sequence[Row]:
    """The first of these jobs whose callbacks may be written together."""
    called = [job["id"] for job in jobs if job["lanes"]]
    rows = await connection.fetch(SQL["sizes"], called) if called else []
    sizes = {row["job_id"]: row["size"] for row in rows}
    calls = octets = 0
    for place, job in enumerate(jobs):
        calls += job["lanes"]
        octets += sizes.get(job["id"], 0)
        if place and (calls > MAX_CALLS or octets > MAX_OCTETS):
            return jobs[:place]
    return jobs


@dataclass(frozen=True, slots=True)
class Child:
    """A job that waited for another, as far as its end tells of it."""

    FIELDS: ClassVar = ("id", "client", "workflow", "content_id", "lanes")
    id: int
    client: str
    workflow: str
    content_id: str | None
    lanes: int


async def break_jobs(
    connection: Connection,
    jobs: Mapping[int, Child],
    because: Mapping[int, int],
    now: datetime,
    calls: list[OutboxEvent],
    tally: Tally,
) -> list[Line]:
    """Break jobs that never started, each for the parent that did not complete, and note who waits
    for them; gives their last lines."""
    if not jobs:
        return []
    await connection.execute(SQL["break_jobs"], sorted(jobs), now)
    await queue_cascades(connection, jobs, tally)
    lines: list[Line] = []
    for job_id, job in sorted(jobs.items()):
        failure = lost(because[job_id])
        told = f"job has failed: {failure}"
        lines.append(Line(job_id, 0, int(Severity.ERROR), "controller", told, now))
        if job.lanes:
            calls.append(end_call(job, 0, now, failure))
    return lines


async def _hand_on(connection: Connection, family: Family, tally: Tally) -> int:
    """What waited for jobs that were run again before they ended waits for their reruns; of these
    some may be over as well."""
    edges = [
        (parent, child, family.jobs[parent]["rerun_as"])
        for parent, child in family.edges[Fate.HANDED_ON]
    ]
    if edges:
        await connection.execute(SQL["hand_edges"], *columns(edges, 3))
        heirs = {heir for _, _, heir in edges}
        over = [one for one in heirs if family.fate(one) is not Fate.UNKNOWN]
        await queue_cascades(connection, over, tally)
    return len(edges)
