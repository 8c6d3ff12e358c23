"""What a request says and nobody reads: a name that is unknown is told, not passed over.

A list that ignores a filter is longer than what was asked for, and whoever acts on it hits jobs
that were not meant. So it is refused, but for what clients of the contract have always sent: such
a request goes on, and its answer has `warnings`, or the job's log lines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

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
        check_query(names)

    app.before_request(check)


def check_query(known: Collection[str]) -> None:
    """Raises BadInput for a query parameter of this request besides the known ones."""
    for name in Query.of_request().values.keys() - {*known, *HARMLESS}:
        there = f"there are {', '.join(known)}" if known else "there are none here"
        guess = like(name, known)
        raise BadInput(f"{name[:40]}: there is no such query parameter{guess}; {there}")


def unread(body: Iterable[str], known: Collection[str], query: Collection[str] = ()) -> list[str]:
    """What is said of unknown keys of a body, and of unknown query parameters. Guesses are made for
    those that are told alone: there may be very many."""
    keys = [name for name in body if name not in known and name != CLIENT]
    asked = [name for name in Query.of_request().values.keys() - HARMLESS if name not in query]
    told = [
        f"{name[:40]}: unknown, and not looked at{like(name, known)}"
        for name in keys[:MAX_WARNINGS]
    ]
    told += [
        f"{name[:40]}: no query parameter here, and not looked at{like(name, query)}"
        for name in asked[: MAX_WARNINGS - len(told)]
    ]
    more = len(keys) + len(asked) - len(told)
    return told if more <= 0 else [*told, f"{more} more are unknown"]


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
