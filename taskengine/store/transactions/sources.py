"""Which entries of which indexes a list of jobs is read from, so that its cost does not grow.

A source is what one index holds, in its order. The indexes for lists leave out started jobs, which
are as few as there are slots: those are a source of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from taskengine.model import JobState
from taskengine.store import JobFilter
from taskengine.store.connections import Connection
from taskengine.store.transactions.clauses import Clause, Statement, filters, of_ids

# As the indexes have it: the planner has to see which one serves.
ID = "id + 0"
OTHERS = Clause("state - 1 <> 0")
ACCEPTED = OTHERS & Clause("digest is not null")
STARTED = Clause("state * 1 = 1")
FAILED = Clause("state * 1 = 2 and failed")
SCHEDULED = Clause("state * 1 = 5")
WITH_CONTENT = OTHERS & Clause("content_id is not null")

FEW = 20  # the part of what a list may inspect that may be read for a filter, whatever the order


@dataclass(frozen=True, slots=True)
class Source:
    """`order` is that of its index; it keeps the planner to it."""

    clause: Clause
    order: str = ID


@dataclass(frozen=True, slots=True)
class Sources:
    """What to read: sources in the order asked, or `few` jobs that are put in order then."""

    parts: Sequence[Source]
    few: bool = False


async def choose(connection: Connection, wanted: JobFilter) -> Sources:
    """Walk in the order asked, unless a filter that this walk does not serve leaves few jobs."""
    if wanted.job_ids:
        return with_ids(wanted.job_ids)
    started = [Source(STARTED)] if _may_be_started(wanted) else []
    walked, served = _walk(wanted)
    if not served >= filters(wanted).keys():
        found = await _few(connection, wanted)
        if found is not None:
            return Sources([*found, *started], few=True)
    return Sources([*(Source(clause) for clause in walked), *started])


def with_ids(job_ids: Sequence[int]) -> Sources:
    return Sources([Source(of_ids(job_ids), "id")], few=True)


def _may_be_started(wanted: JobFilter) -> bool:
    return wanted.failed is None and (not wanted.states or JobState.STARTED in wanted.states)


def _walk(wanted: JobFilter) -> tuple[list[Clause], frozenset[str]]:
    """What an index gives in the order asked, of jobs that are not started; and the names of the
    filters that are served by it."""
    order, states, given = wanted.order_by, _others(wanted), filters(wanted)
    if wanted.states and not states:
        return [], frozenset(given)
    if order == "id" and wanted.failed:
        return [FAILED], frozenset({"failed", "states"})
    if order == "run_at" and states == [JobState.SCHEDULED]:
        client = given.get("client")
        return [SCHEDULED & client if client else SCHEDULED], frozenset({"states", "client"})
    if order in ("id", "client") and "client" in given:
        return [OTHERS & given["client"]], frozenset({"client"})
    if order in ("id", "state") and states:
        return [_in_state(state) for state in states], frozenset({"states"})
    if order == "created_at" and "created" in given:
        return [OTHERS & given["created"]], frozenset({"created"})
    return [ACCEPTED if order == "id" else OTHERS], frozenset()


def _others(wanted: JobFilter) -> list[JobState]:
    return sorted(set(wanted.states) - {JobState.STARTED})


def _in_state(state: JobState) -> Clause:
    return OTHERS & Clause(f"state = {int(state)}")


async def _few(connection: Connection, wanted: JobFilter) -> Sequence[Source] | None:
    """The sources of the filter that leaves the fewest jobs, if it leaves few."""
    found: tuple[int, Sequence[Source]] | None = None
    enough = wanted.inspected // FEW
    for sources in _selective(wanted):
        count = await _count(connection, sources, enough + 1)
        if count <= enough and (found is None or count < found[0]):
            found = count, sources
    return None if found is None else found[1]


def _selective(wanted: JobFilter) -> Iterator[list[Source]]:
    """The sources of jobs that are not started, for each filter by itself, whatever the order."""
    given = filters(wanted)
    if "client" in given:
        yield [Source(OTHERS & given["client"])]
    if "states" in given:
        yield [Source(_in_state(state)) for state in _others(wanted)]
    if wanted.failed:
        yield [Source(FAILED)]
    if "created" in given:
        yield [Source(OTHERS & given["created"], "created_at")]
    if "content" in given:
        yield [Source(WITH_CONTENT & given["content"], "lower(content_id) using ~<~")]


async def _count(connection: Connection, sources: Sequence[Source], enough: int) -> int:
    """How many jobs are in these sources, counted up to `enough` in each."""
    statement = Statement()
    parts = [
        f"(select from jobs where {statement.write(source.clause)} order by {source.order}"
        f" limit {enough})"
        for source in sources
    ]
    text = f"select count(*) from ({' union all '.join(parts)}) as found"
    count: int = await connection.fetchval(text, *statement.values)
    return count
