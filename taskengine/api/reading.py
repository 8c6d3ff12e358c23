"""From the text of a body to what is recorded of it. Pure: on the loop, or by a worker aside.

What a worker hands back has its documents as texts: nobody has to look into them, and to make
objects of them would take the loop as long as to parse them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from taskengine.api.json_body import digest_of, named, parse
from taskengine.jobs.submission import Reader, Received, refused_data
from taskengine.model import Client, JsonObject, JsonText, Submission


@dataclass(frozen=True, slots=True)
class Item:
    """A submission as it was sent, with its Idempotency-Key. `problem` is why it is refused,
    whatever it says."""

    raw: bytes
    key: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Foreign:
    """The body names a client that was not known while it was read."""

    client: str


@dataclass(frozen=True, slots=True)
class BodyReading:
    reader: Reader
    origin: JsonObject
    caller: str
    query: Sequence[str]  # names of parameters, of which none is looked at
    owners: Mapping[str, Client]  # of whom it is known that the caller may submit for them

    def read(self, items: Sequence[Item]) -> list[Submission | Foreign | Exception]:
        """What to record of each; an error of which no record is kept."""
        return [self._read(item) for item in items]

    def read_aside(self, items: Sequence[Item]) -> list[Submission | Foreign | Exception]:
        return [packed(one) if isinstance(one, Submission) else one for one in self.read(items)]

    def _read(self, item: Item) -> Submission | Foreign | Exception:
        try:
            return self._submission(item)
        except Exception as error:
            return error

    def _submission(self, item: Item) -> Submission | Foreign:
        document = parse(item.raw)
        body, name = document.value, named(document.value) or self.caller
        owner = self.owners.get(name)
        if owner is None:
            return Foreign(name)
        problem = document.problem or item.problem
        received = Received(body, owner, self.origin, problem, self.query, document.repeated)
        submission = self.reader.read(received)
        if item.key is None:
            return submission
        return replace(submission, idempotency_key=item.key, body_digest=digest_of(body))


def packed(one: Submission) -> Submission:
    """With its documents as texts."""
    try:
        return replace(one, submitted=_text(one.submitted), parameters=_text(one.parameters))
    except ValueError as error:  # of a default that no JSON can say
        return refused_data(one, f"the database refuses the data: {error}")


def _text(document: JsonObject | JsonText) -> JsonText:
    return JsonText(
        json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    )
