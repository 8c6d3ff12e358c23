"""Regular expressions of workflow files, matched in linear time: whatever an operator writes, no
text that a client sends holds up the engine.

RE2 knows no look-around and no back-references, which is why it can promise that; a file that has
them is refused when it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import re2
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from taskengine.model import Json, JsonObject

OPTIONS: Final = re2.Options()
OPTIONS.log_errors = False
OPTIONS.max_mem = 4 << 20  # bytes of a pattern and of what it is matched with


def pattern_problem(pattern: str) -> str | None:
    """What is wrong with a pattern; None if it can be used."""
    try:
        _compiled(pattern)
    except re2.error as error:
        [reason] = error.args
        told = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        return f"no regular expression of RE2, which has no look-around and such: {told}"
    return None


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text."""
    found = _compiled(pattern).search(text.encode("utf-8", "replace").decode())
    return found is not None


@lru_cache(maxsize=1000)
def _compiled(pattern: str) -> Any:
    return re2.compile(pattern, OPTIONS)


def _pattern(_: Any, pattern: str, instance: Json, __: JsonObject) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not matches(pattern, instance):
        yield ValidationError(f"does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: JsonObject, instance: Json, _: JsonObject
) -> Iterator[ValidationError]:
    for pattern, schema in patterns.items() if isinstance(instance, dict) else ():
        for name, value in instance.items():
            if matches(pattern, name):
                yield from validator.descend(value, schema, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, allowed: Json, instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, value in instance.items() if isinstance(instance, dict) else ():
        if name in known or any(matches(pattern, name) for pattern in patterns):
            continue
        if isinstance(allowed, dict):
            yield from validator.descend(value, allowed, path=name)
        elif not allowed:
            yield ValidationError("additional properties are not allowed")
            return


LinearValidator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    },
)
