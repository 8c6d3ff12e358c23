"""JSON Schemas: what they say in words, what is in them, and which values nobody may read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import cast

from jsonschema import ValidationError

from taskengine.masking import ALWAYS_SECRET, is_secret, masked_text
from taskengine.model import Json, JsonObject
from taskengine.workflows.formats import FORMATS
from taskengine.workflows.templates import Path

REFUSED = "x-refused"  # a keyword of ours: why what a schema does not allow is refused

# What schemas say, in words


def explained(
    error: ValidationError, root: JsonObject, secrets: frozenset[str] = frozenset()
) -> Iterator[tuple[Path, str]]:
    """The places of a problem, and what was expected there; never the value of a secret."""
    place = tuple(error.absolute_path)
    limit: Json = error.validator_value
    found: Json = error.instance
    schema = resolved(root, error.schema)
    known = schema.get("properties", {})
    match error.validator:
        case "not" | "const" | "enum" if REFUSED in schema:
            yield place, f"refused: {schema[REFUSED]}"
        case "required":
            for name in (name for name in limit if name not in found):
                yield (*place, name), f"required, {expected(resolved(root, known.get(name)))}"
        case "additionalProperties" | "unevaluatedProperties" if limit is False:
            for name in (name for name in found if name not in known):
                yield (*place, name), f"unknown; known are {', '.join(known)}"
        case "oneOf" | "anyOf" if all("required" in resolved(root, option) for option in limit):
            how = "exactly" if error.validator == "oneOf" else "at least"
            names = (" and ".join(resolved(root, option)["required"]) for option in limit)
            yield place, f"expected {how} one of {', '.join(names)}"
        case _:
            got = "" if _is_hidden(place, secrets) else f", got {shown(found)}"
            yield place, f"expected {expected(schema)}{_besides(error)}{got}"


def _is_hidden(place: Path, secrets: frozenset[str]) -> bool:
    return any(step in secrets or is_secret(step) for step in place if isinstance(step, str))


def expected(schema: JsonObject) -> str:
    """What a schema asks for, in words; of its bounds the frequent ones."""
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return f"one of {', '.join(map(word, schema['enum']))}"
    if (known := FORMATS.get(schema.get("format", ""))) is not None:
        return known.words
    words = " or ".join(_NOUNS.get(kind, kind) for kind in types_of(schema)) or "a value"
    if schema.get("minLength") or schema.get("minItems"):
        words = words.replace("a string", "a non-empty string").replace("an a", "a non-empty a")
    match schema.get("minimum"), schema.get("maximum"):
        case None, None:
            return words
        case low, None:
            return f"{words} of at least {low}"
        case None, high:
            return f"{words} of at most {high}"
        case low, high:
            return f"{words} from {low} to {high}"


_NOUNS = {"string": "a string", "integer": "an integer", "number": "a number", "null": "null"}
_NOUNS |= {"boolean": "true or false", "array": "an array", "object": "an object"}
_SAID = {"type", "const", "enum", "format", "minimum", "maximum"}


def _besides(error: ValidationError) -> str:
    """The rule that was broken, where expected() does not say it."""
    rule, limit = str(error.validator), cast(Json, error.validator_value)
    if rule == "not" and "pattern" in limit:
        rule, limit = "no pattern", limit["pattern"]
    if rule in _SAID or (rule in ("minLength", "minItems") and limit == 1):
        return ""
    about = error.schema.get("description") if isinstance(error.schema, dict) else None
    words = f" ({_cut(about.rstrip('.'))})" if rule == "pattern" and about else ""
    return f" with {rule} {_cut(json.dumps(limit, ensure_ascii=False))}{words}"


def dotted(path: Path) -> str:
    """A path as people write it: `clips[0].start`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{_cut(step)}" for step in path)
    return "".join(steps).removeprefix(".")


def shown(value: Json) -> str:
    """A value as messages show it: short, and of a structure only the kind."""
    if isinstance(value, dict | list):
        noun = "object" if isinstance(value, dict) else "array"
        return f"an {noun}" if value else f"an empty {noun}"
    return _cut(masked_text(json.dumps(value, ensure_ascii=False)))


def word(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _cut(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"


# Walking schemas


def resolved(root: JsonObject, schema: Json) -> JsonObject:
    """The schema with its local `$ref` followed; what stands beside that wins.

    Raises LookupError or TypeError if it points at nothing.
    """
    seen = schema if isinstance(schema, dict) else {}
    for _ in range(10):
        if "$ref" not in seen:
            break
        beside = {key: value for key, value in seen.items() if key != "$ref"}
        seen = {**_pointed(root, seen["$ref"]), **beside}
    return seen


def _pointed(root: JsonObject, reference: str) -> JsonObject:
    found: Json = root
    if not re.match("#(/|$)", reference):  # elsewhere, or by an anchor
        raise LookupError(reference)
    for step in reference.removeprefix("#").split("/")[1:]:
        found = found[step.replace("~1", "/").replace("~0", "~")]
    if not isinstance(found, dict):
        raise LookupError(reference)
    return found


def subschemas(schema: Json, path: Path = ()) -> Iterator[tuple[Path, JsonObject]]:
    """The schema and all those in it, each with its place."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for key, value in schema.items():
        if key in ("properties", "patternProperties", "$defs", "dependentSchemas"):
            for name, sub in value.items():
                yield from subschemas(sub, (*path, key, name))
        elif key in ("allOf", "anyOf", "oneOf", "prefixItems"):
            for index, sub in enumerate(value):
                yield from subschemas(sub, (*path, key, index))
        elif key not in ("default", "const", "enum", "examples", "dependentRequired"):
            yield from subschemas(value, (*path, key))


def types_of(schema: JsonObject) -> list[str]:
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else kinds


# Secrets


def secret_names(schema: JsonObject) -> frozenset[str]:
    """The names whose values nobody may read: `writeOnly: true` at any depth, and some always."""
    marked = {
        name
        for _, sub in subschemas(schema)
        for name, known in sub.get("properties", {}).items()
        if resolved(schema, known).get("writeOnly") is True
    }
    return ALWAYS_SECRET | marked
