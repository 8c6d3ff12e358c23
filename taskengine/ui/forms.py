"""Forms made from the JSON Schema of a workflow's parameters, and what their fields mean. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from taskengine.masking import is_secret
from taskengine.model import BadInput, Json, JsonObject
from taskengine.texts import read_json
from taskengine.workflows.schemas import expected, resolved, types_of
from taskengine.workflows.templates import is_template

PREFIX: Final = "p."  # before the name of a parameter
CHOICE, NUMBER, SECRET, TEXT, LINES, JSON = "choice", "number", "secret", "text", "lines", "json"
UNSET: Final = ""  # what a field says that is left alone: the workflow's default holds


@dataclass(frozen=True, slots=True)
class FormField:
    """A parameter as a field: what kind, what to choose from, and what it says of itself."""

    name: str
    kind: str
    required: bool
    hint: str
    wanted: str  # what the schema expects, in words
    choices: tuple[str, ...] = ()
    placeholder: str = ""

    @property
    def key(self) -> str:
        return f"{PREFIX}{self.name}"


def fields_of(schema: JsonObject) -> list[FormField]:
    """The fields, those that are required in front."""
    required = schema.get("required", [])
    fields = [
        _field(name, resolved(schema, one), required=name in required)
        for name, one in schema.get("properties", {}).items()
        if not resolved(schema, one).get("deprecated")
    ]
    return sorted(fields, key=lambda one: not one.required)


def _field(name: str, schema: JsonObject, *, required: bool) -> FormField:
    kind, choices = _kind(name, schema)
    return FormField(
        name=name,
        kind=kind,
        required=required,
        hint=str(schema.get("description") or ""),
        wanted=expected(schema),
        choices=choices,
        placeholder=_placeholder(schema),
    )


def _kind(name: str, schema: JsonObject) -> tuple[str, tuple[str, ...]]:
    types = set(types_of(schema))
    if schema.get("enum"):
        return CHOICE, tuple(map(_word, schema["enum"]))
    if schema.get("writeOnly") or is_secret(name):
        return SECRET, ()
    if types == {"boolean"}:
        return CHOICE, ("true", "false")
    if types and types <= {"integer", "number"}:
        return NUMBER, ()
    if types == {"array"} and _of_texts(schema):
        return LINES, tuple(map(str, schema["items"].get("enum", ())))
    return (TEXT if "string" in types else JSON), ()


def _of_texts(schema: JsonObject) -> bool:
    items = schema.get("items")
    if not isinstance(items, dict):
        return False
    return items.get("type") == "string" or all(
        isinstance(one, str) for one in items.get("enum", [0])
    )


def _placeholder(schema: JsonObject) -> str:
    """The default, else an example."""
    if "default" in schema:
        default = schema["default"]
        computed = isinstance(default, str) and is_template(default)
        return f"default: {default if computed else _word(default)}"
    examples = schema.get("examples")
    return f"such as {_word(examples[0])}" if examples else ""


def _word(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def parameters_of(schema: JsonObject, given: Mapping[str, str]) -> JsonObject:
    """What the fields of a form say; those that are left empty say nothing. Raises BadInput."""
    return dict(_values(fields_of(schema), given))


def _values(fields: list[FormField], given: Mapping[str, str]) -> Iterator[tuple[str, Json]]:
    for one in fields:
        text = given.get(one.key, UNSET).strip()
        if text != UNSET:
            yield one.name, _value(one, text)


def _value(field: FormField, text: str) -> Json:
    if field.kind == LINES:
        return [part.strip() for part in text.splitlines() if part.strip()]
    if field.kind in (CHOICE, NUMBER):
        return _literal(text)
    if field.kind != JSON:
        return text
    try:
        return read_json(text)
    except ValueError as error:
        raise BadInput(f"{field.name}: expected JSON: {error}") from None


def _literal(text: str) -> Json:
    """`true`, `2.5` or `null` as they are meant; else the text."""
    try:
        value = read_json(text)
    except ValueError:
        return text
    return text if isinstance(value, dict | list | str) else value
