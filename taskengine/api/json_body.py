"""JSON from outside, cleaned so that any store can keep it (correctness rule 17). Pure.

What takes a walk through all values is done only where a look at the text says that it must be: of
a large document the walk would take most of the time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import NoReturn

from taskengine.masking import masked
from taskengine.model import BadInput, Json, JsonObject
from taskengine.texts import MAX_DEPTH, clean_text, is_too_deep

LARGEST = 2**63
MAX_REPEATED = 100  # keys given twice that are told of
LIGHT = 64 << 10  # bytes; a document beyond is read aside
FEW = 2_000  # values; as well
_UNKEEPABLE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|[\x00\ud800-\udfff]")
_UNUSUAL_NUMBER = re.compile(r"[0-9]{19}|[0-9][eE]")


@dataclass(slots=True)
class Document:
    """A JSON object. `problem` says what had to be left out of it."""

    value: JsonObject
    problem: str | None = None
    repeated: Sequence[str] = ()  # keys that an object had twice: the last one counts


def named(body: JsonObject) -> str:
    """The client that a body names; "" if none."""
    value: Json = body.get("client")
    return "" if value is None else str(value).strip()


def digest_of(body: JsonObject) -> str:
    """The same for bodies that differ only in the order of keys and in spaces."""
    text = json.dumps(body, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def masked_document(text: str, secrets: frozenset[str]) -> bytes:
    """A stored document as everybody may read it."""
    shown = masked(json.loads(text), secrets)
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()


def is_heavy(raw: bytes) -> bool:
    """Whether to read it would hold up the loop."""
    return len(raw) > LIGHT or sum(map(raw.count, (b",", b"[", b"{"))) > FEW


def parse(raw: bytes) -> Document:
    """A JSON object from its text. Raises BadInput where it is none."""
    text = decoded(raw)
    numbers, names = bool(_UNUSUAL_NUMBER.search(text)), _Names()
    value = loaded(text, numbers=numbers, names=names)
    if not isinstance(value, dict):
        raise BadInput("the body: expected a JSON object")
    document = Document(value, repeated=tuple(names.repeated))
    if numbers or _UNKEEPABLE.search(text) or is_too_deep(value):
        document.value = _kept(value, 1, document, "the body")
    return document


def decoded(raw: bytes) -> str:
    """As json.loads() reads it. Raises BadInput."""
    try:
        return raw.decode(json.detect_encoding(raw), "surrogatepass")
    except ValueError as error:
        raise BadInput(f"the body is not JSON: {error}") from None


def loaded(text: str, *, numbers: bool = True, names: _Names | None = None) -> Json:
    """With `numbers` those out of range are _TooLarge. Raises BadInput where it is no JSON."""
    try:
        return json.loads(
            text,
            parse_int=_integer if numbers else None,
            parse_float=_real if numbers else None,
            parse_constant=no_json_number,
            object_pairs_hook=None if names is None else names.object_of,
        )
    except RecursionError:
        raise BadInput(f"the body is nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise BadInput(f"the body is not JSON: {error}") from None


@dataclass(slots=True)
class _Names:
    """Keys that an object has twice, each once."""

    repeated: dict[str, None] = field(default_factory=dict)

    def object_of(self, pairs: list[tuple[str, Json]]) -> JsonObject:
        value = dict(pairs)
        if len(value) < len(pairs):
            seen = set[str]()
            for name, _ in pairs:
                if name in seen and len(self.repeated) < MAX_REPEATED:
                    self.repeated[clean_text(name[:100])] = None
                seen.add(name)
        return value


class _TooLarge(str):
    """A number that 64 bits do not hold, as it was written."""

    __slots__ = ()


def _integer(text: str) -> int | _TooLarge:
    value = int(text) if len(text) <= 20 else LARGEST
    return value if -LARGEST <= value < LARGEST else _TooLarge(text)


def _real(text: str) -> float | _TooLarge:
    value = float(text)
    return value if isfinite(value) else _TooLarge(text)


def no_json_number(text: str) -> NoReturn:
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
