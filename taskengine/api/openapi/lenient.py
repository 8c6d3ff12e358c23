"""Schemas of input as it may really come: the engine coerces before it validates."""

from __future__ import annotations

import re

from taskengine.api.openapi.operation import HTTP_URL
from taskengine.model import Json, JsonObject
from taskengine.workflows.formats import KEY, LONGEST_NAME, POSITION
from taskengine.workflows.parameters import complete
from taskengine.workflows.schemas import types_of

FLAG_TEXT = "([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])"
READ_FROM_TEXTS = ("boolean", "integer", "number")
IN_ANY_CASE = "In any case of letters."
DATE = "[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?([.,][0-9]+)?([Zz]|[+-][01][0-9]:?[0-5][0-9])?"
OFFSET = r"[0-9]{1,4}:[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
ALTERNATIVES, CONDITIONS = ("anyOf", "oneOf", "allOf"), ("if", "then", "else", "not")
CONTROL = "\\x00-\\x1f\\x7f"
FORMATS: dict[str, JsonObject] = {  # of workflows/formats.py
    "http-url": HTTP_URL,
    "file-name": {"pattern": rf"^[^/\\{CONTROL}]+$", "maxLength": LONGEST_NAME},
    "position": {"pattern": POSITION},
    "key": {"pattern": KEY},
    "moment": {"pattern": rf"^[ \t\r\n]*({OFFSET}|{DATE}([Tt ]{CLOCK})?)[ \t\r\n]*$"},
    "folder": {
        "pattern": rf"^[^{CONTROL}]*[^./{CONTROL}][^{CONTROL}]*$",
        "not": {"pattern": r"(^|/)\.\.(/|$)"},
    },
}


def parameters_of(schema: JsonObject, place: str) -> JsonObject:
    """A workflow's parameters as clients may send them; `place` is where the schema will stand."""
    made: JsonObject = _lenient(complete(schema), place)
    return made


def _lenient(schema: Json, place: str) -> Json:
    if not isinstance(schema, dict):
        return schema
    made = _spelt(_worked_out(_texts(schema)))
    if "$ref" in made:
        made["$ref"] = made["$ref"].replace("#", place, 1)
    required = made.get("required", [])
    for key in ("properties", "$defs", "patternProperties"):
        made |= {key: _each(made[key], place, required)} if key in made else {}
    for key in ("items", "propertyNames"):
        made |= {key: _lenient(made[key], place)} if key in made else {}
    if "additionalProperties" in made:
        made["additionalProperties"] = _or_null(_lenient(made["additionalProperties"], place))
    for key in ALTERNATIVES:
        made |= {key: [_lenient(_given(sub), place) for sub in made[key]]} if key in made else {}
    for key in CONDITIONS:
        made |= {key: _given(made[key])} if key in made else {}
    return _described(made)


def _given(schema: Json) -> Json:
    """What an alternative or a condition says of members: a null is none of them."""
    if not isinstance(schema, dict):
        return schema
    made = {**schema}
    for key in CONDITIONS:
        made |= {key: _given(made[key])} if key in made else {}
    for key in ALTERNATIVES:
        made |= {key: [_given(sub) for sub in made[key]]} if key in made else {}
    if "required" in made and "properties" not in made:
        made["properties"] = {name: {"not": {"type": "null"}} for name in made["required"]}
    return made


def _each(schemas: JsonObject, place: str, required: list[str]) -> JsonObject:
    """A null counts as absent, so that it is allowed wherever a value is not required."""
    made = {name: _lenient(schema, place) for name, schema in schemas.items()}
    return {n: made[n] if n in required else _or_null(made[n]) for n in made}


def _texts(schema: JsonObject) -> JsonObject:
    """Numbers and booleans may come as strings."""
    kinds = types_of(schema)
    readable = [_text_of(kind, schema) for kind in kinds if kind in READ_FROM_TEXTS]
    if not readable or "string" in kinds or "enum" in schema:
        return {**schema}
    return {
        **schema,
        "type": [*kinds, "string"],
        "pattern": f"^{'|'.join(dict.fromkeys(readable))}$",
    }


def _text_of(kind: str, schema: JsonObject) -> str:
    """The pattern of such a value as a text, of what is accepted the plainest."""
    if kind == "boolean":
        return FLAG_TEXT
    above, least = schema.get("exclusiveMinimum", -1), schema.get("minimum", -1)
    sign = "" if max(above, least) >= 0 else "-?"
    first = "[1-9]" if above >= 0 or least > 0 else "[0-9]"
    more = len(str(int(schema["maximum"]))) - 2 if "maximum" in schema else 17
    fraction = r"(\.[0-9]{1,18})?" if kind == "number" else ""
    return f"{sign}{first}[0-9]{{0,{max(0, more)}}}{fraction}"


def _worked_out(schema: JsonObject) -> JsonObject:
    """A default that is a template is no value yet: it is told in words."""
    default = schema.get("default")
    if not _has_template(default):
        return schema
    kept = {key: value for key, value in schema.items() if key != "default"}
    return _saying(kept, f"Default: `{default}`.")


def _has_template(value: Json) -> bool:
    if isinstance(value, dict | list):
        return any(map(_has_template, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and "{{" in value


def _spelt(schema: JsonObject) -> JsonObject:
    """Formats and patterns that are the engine's own, in the words of OpenAPI."""
    if (known := FORMATS.get(schema.get("format", ""))) is not None:
        return {**{key: value for key, value in schema.items() if key != "format"}, **known}
    if schema.get("pattern", "").startswith("(?i)"):
        return {**schema, "pattern": _in_any_case(schema["pattern"].removeprefix("(?i)"))}
    return {**schema}


def _in_any_case(pattern: str) -> str:
    """JavaScript knows no (?i): each letter that is none of an escape or a class, twice."""
    parts = re.findall(r"\\.|\[(?:\\.|[^\]])*\]|.", pattern)
    return "".join(f"[{p}{p.upper()}]" if p.islower() and len(p) == 1 else p for p in parts)


def _described(schema: JsonObject) -> JsonObject:
    choices = schema.get("enum", ())
    wordy = any(isinstance(one, str) and one.upper() != one.lower() for one in choices)
    return _saying(schema, IN_ANY_CASE) if wordy else schema


def _saying(schema: JsonObject, more: str) -> JsonObject:
    return {**schema, "description": f"{schema.get('description', '')} {more}".strip()}


def _or_null(schema: Json) -> Json:
    if not isinstance(schema, dict) or not schema.keys() & {"type", "enum", "$ref", "anyOf"}:
        return schema
    if "type" in schema and "enum" not in schema:
        return {**schema, "type": [*dict.fromkeys([*types_of(schema), "null"])]}
    notes = ("description", "default", "deprecated", "writeOnly")
    told = {key: schema[key] for key in notes if key in schema}
    rest = {key: value for key, value in schema.items() if key not in notes}
    return {**told, "anyOf": [rest, {"type": "null"}]}
