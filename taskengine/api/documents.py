"""JSON from outside, cleaned so that any store can keep it (correctness rule 17)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from typing import NoReturn

import trio
from quart import request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from taskengine.model import BadInput, Json, JsonObject
from taskengine.texts import clean_text

MAX_BODY = 1024 * 1024  # bytes
BATCH_PATH = "/jobs/batch"
MAX_BATCH_BODY = 16 * MAX_BODY
MAX_BATCH = 1000  # submissions
ENVELOPE = {"client", "jobs"}
MAX_DEPTH = 64
LARGEST = 2**63
_TYPES = ("", "application/json", "text/json")  # no type at all is taken for JSON


@dataclass(slots=True)
class Document:
    """A JSON object. `problem` says what had to be left out of it."""

    value: JsonObject
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Submissions that came together; one that is no JSON object or too large is an error."""

    items: Sequence[Document | BadInput | RequestEntityTooLarge]
    envelope: JsonObject  # what stands beside them


def max_body(path: str) -> int:
    """How many bytes a request may send to a path."""
    return MAX_BATCH_BODY if path == BATCH_PATH else MAX_BODY


async def read_document() -> Document:
    """The body of the request. Raises BadInput unless it is a JSON object."""
    return parse(await _read())


async def read_batch() -> Batch:
    """The body of a batch, read aside: megabytes would hold up everybody else."""
    return await trio.to_thread.run_sync(parse_batch, await _read())


def _check_type() -> None:
    """Raises UnsupportedMediaType for what is not said to be JSON, or is packed."""
    kind = request.mimetype
    if kind not in _TYPES and not kind.endswith("+json"):
        raise UnsupportedMediaType(f"Content-Type: expected application/json, got {kind[:80]}")
    if (coding := request.headers.get("Content-Encoding", "identity").lower()) != "identity":
        raise UnsupportedMediaType(f"Content-Encoding: expected none, got {coding[:80]}")


async def _read(*, any_type: bool = False) -> bytes:
    if not any_type:
        _check_type()
    return await request.get_data(cache=False, as_text=False, parse_form_data=False)


async def read_object(*, any_type: bool = False) -> JsonObject:
    """The body of a request of which no record is kept; with `any_type` JSON under any name."""
    document = parse(await _read(any_type=any_type))
    if document.problem is not None:
        raise BadInput(document.problem)
    return document.value


async def read_object_if_any() -> JsonObject:
    """The body of a request that needs none; what is no JSON object says nothing."""
    with suppress(BadInput):
        return parse(await _read(any_type=True)).value
    return {}


def parse(raw: bytes) -> Document:
    """A JSON object from its text. Raises BadInput where it is none."""
    value = _loaded(raw)
    if not isinstance(value, dict):
        raise BadInput("the body: expected a JSON object")
    return _document(value)


def parse_batch(raw: bytes) -> Batch:
    """An array of submissions, or an object with one. Raises BadInput where it is neither."""
    value, envelope = _loaded(raw), {}
    if isinstance(value, dict):
        if unknown := sorted(value.keys() - ENVELOPE):
            raise BadInput(f"the body: {unknown[0][:40]!r} is unknown; known are client, jobs")
        envelope = _document({"client": value.get("client")}).value
        value = value.get("jobs")
    if not isinstance(value, list):
        raise BadInput("the body: expected an array of submissions, or an object with such `jobs`")
    if len(value) > MAX_BATCH:
        raise BadInput(f"the body: expected at most {MAX_BATCH} submissions, got {len(value)}")
    large = len(raw) > MAX_BODY
    return Batch([_item(item, large) for item in value], envelope)


def _item(value: Json, large: bool) -> Document | BadInput | RequestEntityTooLarge:
    """One of a batch, with the limits of a submission by itself."""
    if not isinstance(value, dict):
        return BadInput("expected a JSON object")
    document = _document(value)
    if large and len(json.dumps(document.value, ensure_ascii=False).encode()) > MAX_BODY:
        return RequestEntityTooLarge("the submission is larger than 1 MiB")
    return document


def _document(value: JsonObject) -> Document:
    document = Document({})
    document.value = _kept(value, 1, document, "the body")
    return document


def _loaded(raw: bytes) -> Json:
    try:
        return json.loads(
            raw, parse_int=_integer, parse_float=_real, parse_constant=_no_json_number
        )
    except RecursionError:
        raise BadInput(f"the body is nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise BadInput(f"the body is not JSON: {error}") from None


class _TooLarge(str):
    """A number that 64 bits do not hold, as it was written."""

    __slots__ = ()


def _integer(text: str) -> int | _TooLarge:
    value = int(text) if len(text) <= 20 else LARGEST
    return value if -LARGEST <= value < LARGEST else _TooLarge(text)


def _real(text: str) -> float | _TooLarge:
    value = float(text)
    return value if isfinite(value) else _TooLarge(text)


def _no_json_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _kept(value: Json, depth: int, document: Document, name: str) -> Json:
    """The value as stores take it. Of a number that is left out the name alone is told: it may be a
    secret."""
    if isinstance(value, _TooLarge):
        document.problem = document.problem or f"{name[:100]}: the number is out of range"
        return str(value[:40])
    if isinstance(value, str):
        return clean_text(value)
    if not isinstance(value, dict | list):
        return value
    if depth > MAX_DEPTH:
        document.problem = f"the body is nested deeper than {MAX_DEPTH} levels"
        return None
    if isinstance(value, list):
        return [_kept(item, depth + 1, document, name) for item in value]
    cleaned = ((clean_text(key), item) for key, item in value.items())
    return {key: _kept(item, depth + 1, document, key) for key, item in cleaned}
