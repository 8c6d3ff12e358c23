"""What a resource file says of a route, beside its handler: its part of the API's document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from taskengine.model import Json, JsonObject


class CallerAccess(Enum):
    """Who may call. PROBE is for everybody and without the limit of requests."""

    KEY = auto()
    PUBLIC_READ = auto()  # without credentials while `public_reads` is true (A8)
    OPEN = auto()
    PROBE = auto()

    def closed(self, *, public_reads: bool) -> bool:
        """Whether credentials are asked for."""
        return self is CallerAccess.KEY or (self is CallerAccess.PUBLIC_READ and not public_reads)


@dataclass(frozen=True, slots=True)
class Parameter:
    """In the query unless `place` says path or header. All but those of the path are optional."""

    name: str
    description: str
    schema: JsonObject
    place: str = "query"


@dataclass(frozen=True, slots=True)
class ResponseSpec:
    description: str
    schema: JsonObject
    media: str = "application/json"
    other_media: Sequence[str] = ()  # for who asks for them
    headers: Sequence[str] = ()  # their names
    optional: Sequence[str] = ()  # headers that are not always there


@dataclass(frozen=True, slots=True)
class Operation:
    """What is not said follows from the rest: 400 of reads, 401, 403, 413, 415, 429, 500 and 503
    where they can be, and an `error` object as the schema of every answer of 400 and more."""

    summary: str
    tag: str
    answer: ResponseSpec | JsonObject  # the 200; a schema alone is that of JSON
    access: CallerAccess = CallerAccess.KEY
    description: str = ""
    parameters: Sequence[Parameter] = ()
    body: JsonObject | None = None  # the schema; one with a title becomes a component
    errors: Mapping[int, str | ResponseSpec] = field(default_factory=dict)
    store: bool = True  # 503 while the database is away
    lenient: bool = False  # clients of the contract: unknown names are told, not refused


# Schemas in few words. Whatever has a title becomes a component of that name.

TEXT: JsonObject = {"type": "string"}
WHOLE: JsonObject = {"type": "integer"}
COUNT: JsonObject = {"type": "integer", "minimum": 0}
FLAG: JsonObject = {"type": "boolean"}
PERCENT: JsonObject = {"type": "integer", "minimum": 0, "maximum": 100}
NUMBER_AS_TEXT: JsonObject = {"type": "string", "pattern": "^[0-9]+$", "examples": ["123"]}
TIME: JsonObject = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
    "examples": ["2019-11-29T10:47:50.431Z"],
}
HTTP_URL: JsonObject = {"type": "string", "format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"}
ANY_OBJECT: JsonObject = {"type": "object"}


def one_of(*values: Json) -> JsonObject:
    return {"enum": [*values]}


def nullable(schema: JsonObject) -> JsonObject:
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(schema: JsonObject) -> JsonObject:
    return {"type": "array", "items": schema}


def record(title: str | None = None, optional: Sequence[str] = (), /, **keys: Json) -> JsonObject:
    """An object with these keys and no others."""
    return {
        **({} if title is None else {"title": title}),
        "type": "object",
        "properties": keys,
        "required": [key for key in keys if key not in optional],
        "additionalProperties": False,
    }


ERROR = record("Error", error=TEXT)
REFUSED = ResponseSpec(
    "Refused. `id` is the id of the refused job, if one was recorded.",
    record("Refused", ("id",), id=NUMBER_AS_TEXT, error=TEXT),
)
CONFLICT = ResponseSpec(
    "The client has used the key for another body. `id` is the id of that job.",
    record("Conflict", id=NUMBER_AS_TEXT, error=TEXT),
)
ACCEPTED = record("Accepted", id=NUMBER_AS_TEXT, result={"const": "accepted"})
