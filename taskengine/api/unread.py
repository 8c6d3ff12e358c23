"""What a request says and nobody reads: a name that is unknown is told, not passed over.

A list that ignores a filter is longer than what was asked for, and whoever acts on it hits jobs
that were not meant. So it is refused, but for what clients of the contract have always sent: such
a request goes on, and its answer has `warnings`, or the job's log lines.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from quart import request
from quart_trio import QuartTrio

from taskengine.api.query import Query
from taskengine.model import BadInput, Json, JsonObject
from taskengine.texts import like

HARMLESS = frozenset({"", "_"})  # no name, and what libraries of browsers add against caches
MAX_WARNINGS = 20
CLIENT = "client"  # each body may name it


def check_queries(app: QuartTrio, known: Mapping[str, Collection[str]]) -> None:
    """Refuse what has query parameters besides the known ones of its endpoint."""

    async def check() -> None:
        names = known.get(request.endpoint or "")
        if names is None or not request.query_string:
            return
        for name in Query.of_request().values.keys() - {*names, *HARMLESS}:
            there = f"there are {', '.join(names)}" if names else "there are none here"
            guess = like(name, names)
            raise BadInput(f"{name[:40]}: there is no such query parameter{guess}; {there}")

    app.before_request(check)


def unread(body: JsonObject, known: Collection[str], query: Collection[str] = ()) -> list[str]:
    """What is said of unknown keys of a body, and of unknown query parameters."""
    told = [
        f"{name[:40]}: unknown, and not looked at{like(name, known)}"
        for name in body
        if name not in known and name != CLIENT
    ]
    told += [
        f"{name[:40]}: no query parameter here, and not looked at{like(name, query)}"
        for name in Query.of_request().values.keys() - HARMLESS
        if name not in query
    ]
    more = len(told) - MAX_WARNINGS
    return told if more <= 0 else [*told[:MAX_WARNINGS], f"{more} more are unknown"]


def with_warnings(answer: JsonObject, warnings: Sequence[str]) -> JsonObject:
    """The answer, with what was not looked at, if anything was not."""
    return {**answer, "warnings": [*warnings]} if warnings else answer


def refuse_unknown(body: Json, known: Collection[str], place: str = "") -> None:
    """Raises BadInput for a key besides the known ones."""
    for name in body if isinstance(body, dict) else ():
        if name not in known:
            guess = like(name, known)
            raise BadInput(
                f"{place}{name[:40]}: unknown{guess}; known are {', '.join(sorted(known))}"
            )
