"""What a client submits, made into the parameters of a job by the workflow's JSON Schema.

Coerced first (leniently), then completed with defaults, then validated. A submitted value is never
read as a template.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import islice
from math import isfinite
from typing import Any

from jsonschema import FormatChecker, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator
from referencing import Registry

from taskengine.model import BadInput, Json, JsonObject
from taskengine.workflows.formats import FORMATS, TextFormat
from taskengine.workflows.patterns import LinearValidator
from taskengine.workflows.schemas import (
    dotted,
    explained,
    resolved,
    secret_names,
    shown,
    types_of,
    word,
)
from taskengine.workflows.templates import TemplateError, evaluate

OF_DEFAULTS = ("job", "client")  # names besides parameters that defaults see
RESERVED = ("tasks", "secrets", *OF_DEFAULTS)  # names that no parameter may have
UNIVERSAL: Mapping[str, JsonObject] = {  # known to every workflow without being declared
    "content_id": {"type": "string"},
    "rest_endpoints": {"type": "array", "items": {"type": "string", "format": "http-url"}},
    "custom_data": {},
    "output_root": {"type": "string", "minLength": 1},
    "input_root": {"type": "string", "minLength": 1},
    "workflow": {"type": "string"},
}
INTEGER = re.compile(r"-?[0-9]{1,18}")
NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?")
MAX_REASON = 300  # characters of what a schema failed with
MAX_TOLD = 10  # problems of a submission
MAX_READY = 500  # schemas that are kept ready


@dataclass(frozen=True, slots=True)
class PreparedParameters:
    """The parameters of a job. The undeclared ones are among the values, as they came."""

    values: JsonObject
    undeclared: tuple[str, ...]


def prepare(schema: JsonObject, given: Json, scope: Mapping[str, Json]) -> PreparedParameters:
    """Coerce, complete and validate. `scope` is what defaults see besides: `client`, `job`.

    Raises BadInput naming the place of each problem and what was expected there.
    """
    try:
        return _prepared(schema, given, scope)
    except BadInput:
        raise
    except Exception as error:  # a reference to nowhere, a schema that holds itself
        why = f"{type(error).__name__}: {error}"[:MAX_REASON]
        raise BadInput(f"parameters: the workflow's schema cannot be applied: {why}") from error


def _prepared(schema: JsonObject, given: Json, scope: Mapping[str, Json]) -> PreparedParameters:
    if not isinstance(given, dict):
        raise BadInput(f"parameters: expected an object, got {shown(given)}")
    ready = _ready(_Same(schema))
    schema = ready.schema
    work = _Preparation(schema)
    coerced = work.coerced(schema, _listed(given))
    values = work.filled(schema, coerced, ChainMap(dict(scope)))
    _validate(ready, values, coerced)
    for name, error in work.failures:  # only now: that another one is missing is a better reason
        raise BadInput(f"parameters.{name}: no default can be made for it: {error}")
    return PreparedParameters(
        values, tuple(name for name in values if name not in schema["properties"])
    )


@dataclass(frozen=True, slots=True)
class _ReadySchema:
    """A schema with the parameters that every workflow knows, and what validates by it."""

    schema: JsonObject
    validator: Validator


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """A schema by its identity: those of workflows are never changed."""

    schema: JsonObject

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.schema is self.schema

    def __hash__(self) -> int:
        return id(self.schema)


@lru_cache(maxsize=MAX_READY)
def _ready(given: _Same) -> _ReadySchema:
    """Made once: that takes longer than to validate most submissions."""
    schema = complete(given.schema)
    return _ReadySchema(schema, _validator(schema))


def complete(schema: JsonObject) -> JsonObject:
    """The schema with the parameters that every workflow knows; its own declarations win."""
    own = schema.get("properties", {})
    more = {name: known for name, known in UNIVERSAL.items() if name not in own}
    return {**schema, "properties": own | more}


def _listed(given: JsonObject) -> JsonObject:
    """One callback URL may come without its list."""
    urls = given.get("rest_endpoints")
    return {**given, "rest_endpoints": [urls]} if isinstance(urls, str) else given


@dataclass(frozen=True, slots=True)
class _Preparation:
    root: JsonObject
    failures: list[tuple[str, TemplateError]] = field(default_factory=list)

    def coerced(self, schema: Json, value: Json) -> Json:
        """The value in the schema's words; a null that the schema does not allow is dropped."""
        schema = resolved(self.root, schema)
        if not schema:
            return value  # nothing is said of it: a large one is not walked through
        if isinstance(value, str):
            return _from_text(schema, value)
        if isinstance(value, list):
            return [self.coerced(schema.get("items"), item) for item in value]
        if isinstance(value, dict):
            known, other = schema.get("properties", {}), schema.get("additionalProperties")
            return {
                name: self.coerced(known.get(name, other), item)
                for name, item in value.items()
                if item is not None or self._takes_null(known.get(name, other))
            }
        return value

    def _takes_null(self, schema: Json) -> bool:
        if not isinstance(schema, dict):
            return True  # not declared: kept as it came
        return fits(self.root, schema, None)

    def filled(self, schema: Json, value: Json, scope: ChainMap[str, Json]) -> Json:
        """The value with its defaults, which see what is declared around and before them."""
        schema = resolved(self.root, schema)
        if not schema:
            return value
        if isinstance(value, list):
            return [self.filled(schema.get("items"), item, scope) for item in value]
        if not isinstance(value, dict):
            return value
        values, known = dict(value), schema.get("properties", {})
        seen = {name: values[name] for name in known if name in values}
        inner = ChainMap(scope.maps[0], seen, *scope.maps[1:])
        for name, sub in known.items():
            if name not in values:
                self._add_default(values, name, resolved(self.root, sub), inner)
            if name in values:
                values[name] = seen[name] = self.filled(sub, values[name], inner)
        return values

    def _add_default(
        self, values: JsonObject, name: str, schema: JsonObject, scope: Mapping[str, Json]
    ) -> None:
        try:
            values |= {name: evaluate(schema["default"], scope)} if "default" in schema else {}
        except TemplateError as error:
            self.failures.append((name, error))


def _from_text(schema: JsonObject, text: str) -> Json:
    choices = schema.get("enum", ())
    for choice in choices if text not in choices else ():
        if choice is not None and word(choice).casefold() == text.casefold():
            return choice
    kinds = types_of(schema)
    if not kinds or "string" in kinds:
        return text
    if "boolean" in kinds and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if {"integer", "number"} & {*kinds} and INTEGER.fullmatch(text):
        return int(text)
    if "number" in kinds and NUMBER.fullmatch(text) and isfinite(float(text)):
        return float(text)
    return text


def _validate(ready: _ReadySchema, values: JsonObject, given: JsonObject) -> None:
    errors = list(islice(ready.validator.iter_errors(values), 100))
    if not errors:
        return
    schema = ready.schema
    # A default that was made of a wrong value is no mistake of its own.
    own = [error for error in errors if not _rank(error, given)[0]]
    told: dict[str, None] = {}
    for error in sorted(own or errors, key=lambda error: _rank(error, given)):
        for path, text in explained(best_match([error]) or error, schema, secret_names(schema)):
            told[f"{dotted(('parameters', *path))}: {text}"] = None
    more = [f"{len(told) - MAX_TOLD} more are wrong"] if len(told) > MAX_TOLD else []
    raise BadInput("; ".join([*islice(told, MAX_TOLD), *more]))


def _rank(error: ValidationError, given: JsonObject) -> tuple[bool, int]:
    """What was submitted goes before what a default made of it, then what is nearer the top."""
    path = error.absolute_path
    return bool(path) and path[0] not in given, len(path)


def _checker() -> FormatChecker:
    made = FormatChecker(formats=())
    for name, known in FORMATS.items():
        made.checks(name)(partial(_accepts, known))
    return made


def _accepts(known: TextFormat, value: object) -> bool:
    return not isinstance(value, str) or known.accepts(value)  # else it is for `type` to say


CHECKER = _checker()


NOTHING: Registry[Any] = Registry()  # nothing is fetched


def _validator(schema: JsonObject) -> Validator:
    schema = {key: value for key, value in schema.items() if key != "$schema"}  # it chooses another
    validator: Validator = LinearValidator(schema, registry=NOTHING, format_checker=CHECKER)
    return validator


def fits(root: JsonObject, schema: JsonObject, value: Json) -> bool:
    """Whether a value is valid by a schema that is part of `root`."""
    return bool(_validator(root).evolve(schema=schema).is_valid(value))
