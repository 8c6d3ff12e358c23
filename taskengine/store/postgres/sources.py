"""Which entries of which indexes a list of jobs is read from, so that its cost does not grow.

A source is what one index holds, in its order. The indexes for lists leave out started jobs, which
are as few as there are slots: those are a source of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from taskengine.model import JobState
from taskengine.store import JobFilter
from taskengine.store.postgres.clauses import Clause, StatementArguments, filters, of_ids
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.queries import expanded

# As the indexes have it: the planner has to see which one serves.
ID = "id + 0"
OTHERS = Clause("state - 1 <> 0")
ACCEPTED = OTHERS & Clause("digest is not null")
STARTED = Clause(expanded("state * 1 = {job.started}"))
FAILED = Clause(expanded("state * 1 = {job.completed} and failed"))
SCHEDULED = Clause(expanded("state * 1 = {job.scheduled}"))
WITH_CONTENT = OTHERS & Clause("content_id is not null")


@dataclass(frozen=True, slots=True)
class ListSource:
    """`order` is that of its index; it keeps the planner to it."""

    clause: Clause
    order: str = ID


@dataclass(frozen=True, slots=True)
class Sources:
    """What to read: sources in the order asked, or `few` jobs that are put in order then."""

    parts: Sequence[ListSource]
    few: bool = False


def with_ids(job_ids: Sequence[int]) -> Sources:
    return Sources([ListSource(of_ids(job_ids), "id")], few=True)


def in_order(wanted: JobFilter) -> Sources:
    """What indexes give in the order asked."""
    return Sources([*map(ListSource, _walk(wanted)), *_started(wanted)])


def _started(wanted: JobFilter) -> list[ListSource]:
    may_be = wanted.failed is None and (not wanted.states or JobState.STARTED in wanted.states)
    return [ListSource(STARTED)] if may_be else []


def _walk(wanted: JobFilter) -> list[Clause]:
    """Of jobs that are not started, with the filter that the order's index, or another one of the
    same order, serves."""
    order, states, given = wanted.order_by, _others(wanted), filters(wanted)
    if wanted.states and not states:
        return []
    if order == "id" and wanted.failed:
        return [FAILED]
    if order == "run_at" and states == [JobState.SCHEDULED]:
        return [SCHEDULED & given["client"] if "client" in given else SCHEDULED]
    if order in ("id", "client") and "client" in given:
        return [OTHERS & given["client"]]
    if order in ("id", "state") and states:
        return [_in_state(state) for state in states]
    if order == "created_at" and "created" in given:
        return [OTHERS & given["created"]]
    return [ACCEPTED if order == "id" else OTHERS]


def _others(wanted: JobFilter) -> list[JobState]:
    return sorted(set(wanted.states) - {JobState.STARTED})


def _in_state(state: JobState) -> Clause:
    return OTHERS & Clause(f"state = {int(state)}")


async def few(connection: Connection, wanted: JobFilter) -> Sources | None:
    """What the filter leaves that leaves the fewest jobs, if a list may inspect so many."""
    found: tuple[int, Sequence[ListSource]] | None = None
    for sources in _selective(wanted):
        count = await _count(connection, sources, wanted.inspected + 1)
        if count <= wanted.inspected and (found is None or count < found[0]):
            found = count, sources
    return None if found is None else Sources([*found[1], *_started(wanted)], few=True)


def _selective(wanted: JobFilter) -> Iterator[list[ListSource]]:
    """The sources of jobs that are not started, for each filter by itself, whatever the order."""
    given = filters(wanted)
    if "client" in given:
        yield [ListSource(OTHERS & given["client"])]
    if _others(wanted):
        yield [ListSource(_in_state(state)) for state in _others(wanted)]
    if wanted.failed:
        yield [ListSource(FAILED)]
    if "created" in given:
        yield [ListSource(OTHERS & given["created"], "created_at")]
    if "content" in given:
        yield [ListSource(WITH_CONTENT & given["content"], "lower(content_id) using ~<~")]


async def _count(connection: Connection, sources: Sequence[ListSource], enough: int) -> int:
    """How many jobs are in these sources, counted up to `enough` in each."""
    statement = StatementArguments()
    parts = [
        f"(select from jobs where {statement.write(source.clause)} order by {source.order}"
        f" limit {enough})"
        for source in sources
    ]
    text = f"select count(*) from ({' union all '.join(parts)}) as found"
    count: int = await connection.fetchval(text, *statement.values)
    return count
