"""What workflows add to their job callbacks, rendered from as little as it takes.

Documents may be large, and no transaction waits for one to be parsed by the loop that all share.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from taskengine.model import JsonObject
from taskengine.store.completion import Extras, extras_of
from taskengine.store.postgres.connections import Connection
from taskengine.store.postgres.rows import SQL, Row, job_of
from taskengine.store.postgres.threads import in_thread
from taskengine.workflows.templates import TemplateError, names_used, results_used


@dataclass(frozen=True, slots=True)
class Needed:
    """The templates of a callback and what they look up; results None: perhaps all."""

    callback: JsonObject
    names: Sequence[str]
    results: Sequence[str] | None


async def render(connection: Connection, job_ids: Collection[int]) -> dict[int, Extras]:
    """What is added to the callbacks of these jobs; those of most workflows have nothing more."""
    extras: dict[int, Extras] = {}
    groups = await connection.fetch(SQL["callbacks_of"], sorted(job_ids)) if job_ids else []
    for group in groups:
        needed = _needed(group["callback"])
        given = (group["jobs"], needed.names, needed.results)
        rows = await connection.fetch(SQL["sources"], *given)
        size = sum(len(row[part] or "") for row in rows for part in ("parameters", "results"))
        extras |= await in_thread(partial(_render_all, needed.callback, rows), size)
    return extras


def _render_all(callback: JsonObject, rows: Sequence[Row]) -> dict[int, Extras]:
    return {row["id"]: _render(callback, row) for row in rows}


def _render(callback: JsonObject, row: Row) -> Extras:
    parts = ("parameters", "results", "facts")
    return extras_of(job_of(row), callback, *(json.loads(row[part] or "{}") for part in parts))


@lru_cache(maxsize=500)
def _needed(text: str) -> Needed:
    callback = json.loads(text)
    try:
        results = results_used(callback)
        return Needed(
            callback, sorted(names_used(callback)), None if results is None else sorted(results)
        )
    except TemplateError:  # it is told when it is rendered
        return Needed(callback, [], [])
