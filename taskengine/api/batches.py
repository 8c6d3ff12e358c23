"""A batch of submissions, taken apart without having all of it as objects at once. Pure.

Each submission is parsed by itself, for its end to be found, and forgotten again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from taskengine.api.json_body import decoded, named, no_json_number
from taskengine.api.sizes import MAX_BODY
from taskengine.model import BadInput, Json
from taskengine.texts import MAX_DEPTH

MAX_BATCH = 1000  # submissions
WINDOWS = (64 << 10, MAX_BODY + 1)  # characters in which the end of a value is looked for
NEITHER = "the body: expected an array of submissions, or an object with such `jobs`"
TOO_MANY = f"the body: expected at most {MAX_BATCH} submissions"
# Of a number only the end matters.
_DECODER = json.JSONDecoder(parse_int=bool, parse_float=bool, parse_constant=no_json_number)
_SPACE = re.compile(r"[ \t\r\n]*")
# A bracket behind what has no brackets, and behind containers that contain none.
_BRACKET = re.compile(
    r'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+"|\[[^"\[\]{}]*+\]|\{\})*+([\[\]{}])', re.DOTALL
)
_SCALAR = re.compile(r'"(?:[^"\\]++|\\.)*+"|[^"\[\]{},]++', re.DOTALL)


class TooLarge(BadInput):
    """A submission that would be too large by itself."""


@dataclass(frozen=True, slots=True)
class SubmissionBatch:
    """The texts of submissions that came together; one that cannot be one is an error."""

    items: Sequence[bytes | BadInput]
    client: str = ""  # that stands beside them


def split(raw: bytes) -> SubmissionBatch:
    """An array of submissions, or an object with one. Raises BadInput where it is neither."""
    text = _Text(decoded(raw))
    batch = _object(text) if text.peek() == "{" else SubmissionBatch(_items(text))
    if text.peek():
        raise text.unexpected()
    return batch


def _object(text: _Text) -> SubmissionBatch:
    items: Sequence[bytes | BadInput] | None = None
    client = ""
    for name in text.names():
        if name == "jobs":
            items = _items(text)
        elif name == "client":
            client = named({"client": text.value()[0]})
        else:
            raise BadInput(f"the body: {name[:40]!r} is unknown; known are client, jobs")
    if items is None:
        raise BadInput(NEITHER)
    return SubmissionBatch(items, client)


def _items(text: _Text) -> Sequence[bytes | BadInput]:
    if text.peek() != "[":
        text.value()  # what is no JSON is told so
        raise BadInput(NEITHER)
    items: list[bytes | BadInput] = []
    for _ in text.elements("[", "]"):
        if len(items) == MAX_BATCH:
            raise BadInput(TOO_MANY)
        value, written = text.value()
        raw = written.encode("utf-8", "surrogatepass")
        if len(raw) > MAX_BODY:
            items.append(TooLarge("the submission is larger than 1 MiB"))
        else:
            items.append(raw if isinstance(value, dict) else BadInput("expected a JSON object"))
    return items


@dataclass(slots=True)
class _Text:
    """A document and how far it was read."""

    text: str
    at: int = 0

    def peek(self) -> str:
        """The next character that is no space; "" at the end."""
        space = _SPACE.match(self.text, self.at)
        self.at = space.end() if space else self.at
        return self.text[self.at : self.at + 1]

    def take(self, expected: str) -> None:
        if self.peek() != expected:
            raise self.unexpected()
        self.at += 1

    def unexpected(self) -> BadInput:
        found = repr(self.peek()) if self.peek() else "its end"
        return BadInput(f"the body is not JSON: unexpected {found} at character {self.at}")

    def elements(self, opening: str, closing: str) -> Iterator[None]:
        """For each element of an array or object, whoever asks has to read it."""
        self.take(opening)
        if self.peek() != closing:
            yield
            while self.peek() == ",":
                self.at += 1
                yield
        self.take(closing)

    def names(self) -> Iterator[str]:
        """The keys of an object, each for its value to be read."""
        for _ in self.elements("{", "}"):
            if self.peek() != '"':
                raise self.unexpected()
            name = str(self.value()[0])
            self.take(":")
            yield name

    def value(self) -> tuple[Json, str]:
        """The next value, None if it is too large; and its text."""
        self.peek()
        start = self.at
        value = self._decoded()
        return value, self.text[start : self.at]

    def _decoded(self) -> Json:
        for window in WINDOWS:
            part = self.text[self.at : self.at + window]
            is_cut = self.at + window < len(self.text)
            try:
                value, length = _DECODER.raw_decode(part)
            except RecursionError:
                raise BadInput(f"the body is nested deeper than {MAX_DEPTH} levels") from None
            except ValueError as error:
                if not is_cut:
                    raise BadInput(f"the body is not JSON: {error}") from None
            else:
                if length < len(part) or not is_cut:
                    self.at += length
                    return value
        self.at = self._end()
        return None

    def _end(self) -> int:
        """Where a value ends that is too large to be had as an object."""
        if scalar := _SCALAR.match(self.text, self.at):
            return scalar.end()
        at, depth = self.at + 1, 1
        while depth and (bracket := _BRACKET.match(self.text, at)):
            at, depth = bracket.end(), depth + (1 if bracket[1] in "[{" else -1)
        if depth:
            raise BadInput("the body is not JSON: it ends too early")
        return at
