"""From the text of an update, or of a job that runs again, to what changes and to the lines that
tell of it. Pure: on the loop, or by a worker aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taskengine.api.json_body import named, parse
from taskengine.api.reading import packed
from taskengine.jobs.again import read_again
from taskengine.jobs.fields import GATE_NAMES, READERS, updates
from taskengine.jobs.submission import Line, Reader, api_line, repetitions
from taskengine.model import BadInput, Client, JsonObject, Submission

UPDATES = (*READERS, *GATE_NAMES)
LONGEST_NAME = 100  # characters


@dataclass(frozen=True, slots=True)
class Update:
    """`client` is whom the body names; `problem` is what is wrong with the changes."""

    client: str
    unknown: Sequence[str]  # keys of the body
    changes: Mapping[str, Any]
    problem: str | None = None


def read_update(raw: bytes) -> Update:
    """Raises BadInput where it is no JSON object."""
    document = parse(raw)
    if document.problem is not None:
        raise BadInput(document.problem)
    client = named(document.value)
    unknown = [name[:LONGEST_NAME] for name in document.value if name not in UPDATES]
    try:
        return Update(client, unknown, updates(document.value))
    except BadInput as problem:
        return Update(client, unknown, {}, str(problem))


def update_lines(raw: bytes, origin: JsonObject, secrets: frozenset[str]) -> Sequence[Line]:
    document = parse(raw)
    line = api_line(origin, document.value, secrets, "job_updated")
    return [line, *repetitions(document.repeated)]


def read_anew(
    reader: Reader, owner: Client, origin: JsonObject, workflow: str, submitted: str
) -> Submission:
    """As read_again, packed."""
    return packed(read_again(reader, owner, origin, workflow, submitted))
