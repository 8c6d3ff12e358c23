"""What a workflow file has to be: its shape, and what its parts say of each other."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Protocol

from jsonschema import Draft202012Validator, SchemaError
from pydantic import BaseModel, ValidationError

from taskengine.model import TASK_QUEUES, Json, JsonObject
from taskengine.policy import LONGEST_RETRY, NUMBERS
from taskengine.texts import like
from taskengine.workflows.order import names_of, ordered
from taskengine.workflows.parameters import OF_DEFAULTS, RESERVED, complete, fits
from taskengine.workflows.patterns import pattern_problem
from taskengine.workflows.schemas import REFUSED, dotted, explained, resolved, subschemas
from taskengine.workflows.scope import CLIENT, EARLY, JOB
from taskengine.workflows.templates import (
    Found,
    Path,
    TemplateError,
    is_expression,
    problems,
    strings,
)
from taskengine.workflows.workflow import MAX_TASKS, Workflow

DIALECT = "https://json-schema.org/draft/2020-12/schema"
KEYWORDS = {*Draft202012Validator.VALIDATORS, "$defs", "$schema", "$id", "$comment", "$anchor"} | {
    *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
    REFUSED,
    *("then", "else", "minContains", "maxContains", "contentEncoding", "contentMediaType"),
}


# What templates see besides parameters and tasks; those of defaults are made before there is a job.
OBJECTS = {"job": JOB, "client": CLIENT}
EARLY_OBJECTS = {"job": EARLY, "client": CLIENT}


class ActionLike(Protocol):
    """What the check has to know of an action."""

    @property
    def arguments(self) -> type[BaseModel]: ...


COMMON = (  # what every task callback has
    *("job_id", "task_id", "task_name", "workflow", "event", "content_id", "message", "time"),
    "client",
)
MAX_RETRIES = NUMBERS["retry_limit"][1]
MAX_BACKOFF = 1_000
WORD = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
SHAPE: JsonObject = {  # of a workflow file
    "type": "object",
    "required": ["workflow", "tasks"],
    "additionalProperties": False,
    "properties": {
        "workflow": {"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"},
        "summary": {"type": "string"},
        "parameters": {"type": "object", "properties": {"type": {"const": "object"}}},
        "tasks": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_TASKS,
            "items": {"$ref": "#/$defs/task"},
        },
        "callback": {"type": "object"},
        "clips": {
            "type": "object",
            "required": ["from", "start", "end"],
            "additionalProperties": False,
            "properties": {key: {"type": "string"} for key in ("from", "start", "end", "markers")},
        },
    },
    "$defs": {
        "task": {
            "type": "object",
            "required": ["name", "action"],
            "additionalProperties": False,
            "properties": {
                "name": WORD,
                "action": {"type": "string"},
                "queue": {"enum": [*TASK_QUEUES]},
                "needs": {"type": "array", "items": {"type": "string"}},
                "with": {"type": "object"},
                "when": {"type": ["boolean", "string"]},
                "retry": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "limit": {"type": "integer", "minimum": 0, "maximum": MAX_RETRIES},
                        "delay": {"type": "number", "minimum": 0, "maximum": LONGEST_RETRY},
                        "backoff": {"type": "number", "minimum": 1, "maximum": MAX_BACKOFF},
                    },
                },
                "timeout": {"type": "number", "exclusiveMinimum": 0},
                "callback": {"type": "array", "items": WORD | {"not": {"enum": [*COMMON]}}},
            },
        }
    },
}


def all_problems(content: Json, actions: Mapping[str, ActionLike]) -> Found:
    """Keys and types first; then what the parts say of each other, as far as the shape is right
    but for keys that may be left out."""
    shape = list(shape_problems(content))
    yield from shape
    rest = deepcopy(content) if shape else content
    for path, _ in shape:
        _leave_out(rest, path)
    if not shape or not any(shape_problems(rest)):
        yield from meaning_problems(rest, actions)


def _leave_out(content: Json, path: Path) -> None:
    """Remove a key; a place in a list stays, or the others would be told with wrong lines."""
    try:
        *above, key = path
        for step in above:
            content = content[step]
        if isinstance(content, dict):
            content.pop(key, None)
    except (ValueError, LookupError, TypeError):
        return  # it is not there: it is missing


def shape_problems(content: Json) -> Found:
    """Keys and types. A problem that the schema finds several times over is told once."""
    seen = set()
    for error in Draft202012Validator(SHAPE).iter_errors(content):
        for path, text in explained(error, SHAPE):
            if (path, text) not in seen:
                seen.add((path, text))
                yield path, f"{dotted(path) or 'the file'}: {text}"


def meaning_problems(content: JsonObject, actions: Mapping[str, ActionLike]) -> Found:
    """What can be said once the shape is right."""
    schema, workflow = content.get("parameters", {}), Workflow.from_content(content)
    broken = list(_schema(schema))
    yield from broken
    before = yield from ordered(workflow)
    for index, task in enumerate(workflow.tasks):
        yield from _call(task.action, task.with_, actions, ("tasks", index))
    if not broken:
        yield from _defaults(schema)
        yield from _names(workflow, {*complete(schema)["properties"]}, before)


def _names(workflow: Workflow, parameters: set[str], before: Mapping[str, int]) -> Found:
    """What templates speak of."""
    known = {*parameters, *RESERVED} - {"secrets"}
    for index, task in enumerate(workflow.tasks):
        is_rendered = any(strings([task.with_, task.when]))
        done = names_of(workflow, before.get(task.name)) if is_rendered else None
        for key, template, seen in (
            ("with", task.with_, {*known, "secrets"}),
            ("when", task.when, known),
        ):
            yield from problems(template, seen, done, ("tasks", index, key), OBJECTS)
        if isinstance(task.when, str) and not _whole(task.when):
            yield ("tasks", index, "when"), "when: expected true, false or one {{ expression }}"
    yield from problems(workflow.callback, known, {*workflow.names}, ("callback",), OBJECTS)
    for name in parameters.intersection(RESERVED):
        yield ("parameters", "properties", name), f"{name}: the name is taken"
    if workflow.clips and workflow.clips["from"] not in parameters:
        yield ("clips", "from"), f"clips: there is no parameter {workflow.clips['from']!r}"


def _call(name: str, given: JsonObject, actions: Mapping[str, ActionLike], place: Path) -> Found:
    """The action, the names of its arguments, and those values that are no templates."""
    if name not in actions:
        yield (*place, "action"), f"there is no action {name!r}{like(name, actions)}"
        return
    fields = actions[name].arguments.model_fields
    for argument in given.keys() - fields.keys():
        text = f"{name} has no argument {argument!r}{like(argument, fields)}"
        yield (*place, "with", argument), text
    for argument, about in fields.items():
        if about.is_required() and argument not in given:
            yield (*place, "with"), f"{name} has to have the argument {argument!r}"
    fixed = {k: v for k, v in given.items() if k in fields and not any(strings(v))}
    try:
        actions[name].arguments.model_validate(fixed)
    except ValidationError as error:
        for detail in error.errors():
            if detail["loc"] and detail["loc"][0] in fixed:
                where = (*place, "with", *detail["loc"])
                yield where, f"{dotted(detail['loc'])}: {detail['msg']}"


def _whole(text: str) -> bool:
    try:
        return is_expression(text)
    except TemplateError:
        return True  # told already


def _schema(schema: JsonObject) -> Found:
    """Whether it is a JSON Schema, without misspelt keywords and with local references only."""
    try:
        Draft202012Validator.check_schema(schema, Draft202012Validator.FORMAT_CHECKER)
    except SchemaError as error:
        where = tuple(error.absolute_path)
        yield ("parameters", *where), f"{dotted(where)}: no JSON Schema: {error.message}"
        return
    yield from _patterns(schema)
    for path, sub in subschemas(schema, ("parameters",)):
        for key in sub.keys() - KEYWORDS:
            yield (*path, key), f"{key}: no keyword of JSON Schema{like(key, KEYWORDS)}"
        yield from _bases(path, sub)
        try:
            if "$ref" in resolved(schema, sub):
                yield (*path, "$ref"), f"{sub['$ref']}: goes round in a circle"
        except (LookupError, TypeError):
            yield (*path, "$ref"), f"{sub['$ref']}: points at nothing in `parameters`"


def _patterns(schema: JsonObject) -> Found:
    """Regular expressions that could not be matched in linear time."""
    subs = list(subschemas(schema, ("parameters",)))
    found = [((*path, "pattern"), sub["pattern"]) for path, sub in subs if "pattern" in sub]
    named = [
        ((*path, "patternProperties", pattern), pattern)
        for path, sub in subs
        for pattern in sub.get("patternProperties", ())
    ]
    for place, pattern in [*found, *named]:
        if problem := pattern_problem(pattern):
            yield place, f"{pattern}: {problem}"
    for path, sub in subs:  # it would match the patterns again, in a way of its own
        if named and "unevaluatedProperties" in sub:
            where = (*path, "unevaluatedProperties")
            yield where, "unevaluatedProperties: not available together with patternProperties"


def _bases(path: Path, schema: JsonObject) -> Found:
    """Keywords that would make `$ref` mean something else below them."""
    at_top = path == ("parameters",)
    if "$id" in schema and not at_top:
        yield (*path, "$id"), "$id: available at the top of `parameters` only"
    if "$schema" in schema and not (at_top and schema["$schema"] == DIALECT):
        yield (*path, "$schema"), f"$schema: expected {DIALECT}, at the top of `parameters`"
    if "$dynamicRef" in schema:
        yield (
            (*path, "$dynamicRef"),
            "$dynamicRef: not available, `$ref` to a place in `parameters` is",
        )


def _defaults(schema: JsonObject) -> Found:
    """Templates of defaults. They see required parameters and earlier ones; those deeper in the
    schema see each other as well."""
    known = complete(schema)["properties"]
    seen = {*complete({})["properties"], *schema.get("required", ()), *OF_DEFAULTS}
    deeper = {name for _, sub in subschemas(schema) for name in sub.get("properties", {})}
    for path, sub in subschemas(schema):
        place: Path = ("parameters", *path, "default")
        fixed = "default" in sub and not any(strings(sub["default"]))
        if fixed and not fits(schema, sub, sub["default"]):
            yield place, "default: is not valid by its own schema"
        if len(path) == 2 and path[0] == "properties":
            yield from problems(sub.get("default"), seen, None, place, EARLY_OBJECTS)
            seen.add(str(path[1]))
        else:
            there = {*known, *seen, *deeper}
            yield from problems(sub.get("default"), there, None, place, EARLY_OBJECTS)
