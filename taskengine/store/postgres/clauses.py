"""Conditions of SQL with their values, and what the filters of a list say in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from taskengine.model import JobState
from taskengine.store import JobFilter

LAST = "\U0010ffff"  # behind all that a content id can go on with


@dataclass(frozen=True, slots=True)
class Clause:
    """A condition; each `{}` stands for a value."""

    text: str
    values: tuple[Any, ...] = ()

    def __and__(self, other: Clause) -> Clause:
        return Clause(f"{self.text} and {other.text}", (*self.values, *other.values))


@dataclass(frozen=True, slots=True)
class StatementArguments:
    """The arguments of a statement that is being written."""

    values: list[Any] = field(default_factory=list)

    def argument(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def write(self, clause: Clause) -> str:
        return clause.text.format(*map(self.argument, clause.values))


def all_of(clauses: Iterable[Clause]) -> Clause:
    return reduce(Clause.__and__, clauses, Clause("true"))


def filters(wanted: JobFilter) -> dict[str, Clause]:
    """The filters that are given, by name; job ids are none of them."""
    return dict(_filters(wanted))


def _filters(wanted: JobFilter) -> Iterator[tuple[str, Clause]]:
    if wanted.client is not None:
        yield "client", Clause("client = {}", (wanted.client,))
    if wanted.states:
        states = [int(state) for state in wanted.states]
        yield "states", Clause("state = any({}::smallint[])", (states,))
    if wanted.failed is not None:
        ended = Clause(f"state = {int(JobState.COMPLETED)}")
        yield "failed", ended & Clause("failed" if wanted.failed else "not failed")
    if created := [*_created(wanted)]:
        yield "created", all_of(created)
    if wanted.search is not None:
        yield "content", _content(wanted.search)


def _created(wanted: JobFilter) -> Iterator[Clause]:
    if wanted.since is not None:
        yield Clause("created_at >= {}", (wanted.since,))
    if wanted.until is not None:
        yield Clause("created_at <= {}", (wanted.until,))


def _content(search: str) -> Clause:
    """A content id that is this, or begins with it, without regard to case (A3)."""
    return Clause(
        "lower(content_id) ~>=~ lower({}) and lower(content_id) ~<~ (lower({}) || {}::text)",
        (search, search, LAST),
    )


def of_ids(job_ids: Iterable[int]) -> Clause:
    return Clause("id = any({}::bigint[])", ([*job_ids],))


def shown(wanted: JobFilter) -> Clause:
    """What a job has to be. Refused ones show only where their state or id is asked for (A3)."""
    clauses = [*filters(wanted).values()]
    if wanted.job_ids:
        clauses.append(of_ids(wanted.job_ids))
    elif not wanted.states:
        clauses.append(Clause("digest is not null"))
    return all_of(clauses)
