"""From the text of an update to what changes, and to the line that tells of it. Pure: on the loop,
or by a worker aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taskengine.api.documents import named, parse
from taskengine.jobs.fields import updates
from taskengine.jobs.submission import Line, api_line, repetitions
from taskengine.model import BadInput, JsonObject


@dataclass(frozen=True, slots=True)
class Update:
    """`client` is whom the body names; `problem` is what is wrong with the changes."""

    client: str
    changes: Mapping[str, Any]
    problem: str | None = None


def read_update(raw: bytes) -> Update:
    """Raises BadInput where it is no JSON object."""
    document = parse(raw)
    if document.problem is not None:
        raise BadInput(document.problem)
    client = named(document.value)
    try:
        return Update(client, updates(document.value))
    except BadInput as problem:
        return Update(client, {}, str(problem))


def update_lines(raw: bytes, origin: JsonObject, secrets: frozenset[str]) -> Sequence[Line]:
    document = parse(raw)
    line = api_line(origin, document.value, secrets, "job_updated")
    return [line, *repetitions(document.repeated)]
