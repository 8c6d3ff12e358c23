"""Workflow files, read and checked: every problem at once, each with its file and line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path as File
from typing import Protocol

import yaml
from jsonschema import Draft202012Validator, SchemaError
from pydantic import BaseModel, ValidationError

from taskengine.model import Json, JsonObject, TaskEngineError
from taskengine.parameters import RESERVED, complete, dotted, fits, resolved, subschemas
from taskengine.templates import Found, Path, TemplateError, is_expression, like, problems, strings
from taskengine.workflow import Workflow, misshapen, ordered

KEYWORDS = {*Draft202012Validator.VALIDATORS, "$defs", "$schema", "$id", "$comment", "$anchor"} | {
    *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
    *("then", "else", "minContains", "maxContains", "contentEncoding", "contentMediaType"),
}


class ActionLike(Protocol):
    """What the check has to know of an action."""

    @property
    def arguments(self) -> type[BaseModel]: ...


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    file: File
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class WorkflowErrors(TaskEngineError):
    """Workflow files cannot be used as they are."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Library:
    """All workflows by client and name; those of client None are common."""

    workflows: Mapping[tuple[str | None, str], Workflow] = field(default_factory=dict)

    def find(self, client: str, name: str) -> Workflow | None:
        """The client's own workflow of that name, else the common one."""
        return self.workflows.get((client, name)) or self.workflows.get((None, name))

    def has_definitions_of(self, client: str) -> bool:
        return any(owner == client for owner, _ in self.workflows)

    def all(self) -> tuple[Workflow, ...]:
        return tuple(sorted(self.workflows.values(), key=lambda w: (w.client or "", w.name)))


def load(folders: Sequence[File], actions: Mapping[str, ActionLike]) -> Library:
    """Read folders laid out like config/workflows; later ones win. Raises WorkflowErrors."""
    workflows: dict[tuple[str | None, str], Workflow] = {}
    problems = [Problem(folder, 1, "no such folder") for folder in folders if not folder.is_dir()]
    for folder in folders:
        sources: dict[tuple[str | None, str], File] = {}
        for client, file in _files(folder):
            try:
                workflow = read(file, actions, client)
            except WorkflowErrors as errors:
                problems += errors.problems
                continue
            key = client, workflow.name
            if key in sources:
                problems.append(_again(file, workflow.name, sources[key]))
            sources[key] = file
            workflows[key] = workflow
    if problems:
        raise WorkflowErrors(problems)
    return Library(workflows)


def _files(folder: File) -> Iterator[tuple[str | None, File]]:
    for owner in [folder / "common", *sorted(folder.glob("clients/*/"))]:
        for file in sorted(owner.glob("[!.]*")):
            if file.suffix in (".yaml", ".yml"):
                yield (None if owner == folder / "common" else owner.name), file


def _again(file: File, name: str, other: File) -> Problem:
    reader = _Reader()
    reader.content(file)
    return Problem(file, reader.line(("workflow",)), f"{name} is also in {other}")


def read(file: File, actions: Mapping[str, ActionLike], client: str | None = None) -> Workflow:
    """One workflow file. Raises WorkflowErrors with all that is wrong in it."""
    reader = _Reader()
    content = reader.content(file)
    found = reader.problems or list(misshapen(content)) or list(_meaning(content, actions))
    if found:
        raise WorkflowErrors(Problem(file, reader.line(path), text) for path, text in found)
    return Workflow.from_content({**content, "client": client})


# YAML with the place of everything


class _Loader(yaml.SafeLoader):
    """Safe, and without the surprises of YAML 1.1: `no`, `on`, 1:30 and dates are strings."""

    yaml_implicit_resolvers = {}  # noqa: RUF012


for _kind, _pattern, _first in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"-?(0|[1-9][0-9]*)", [*"-0123456789"]),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", [*"-0123456789"]),
):
    _tag = f"tag:yaml.org,2002:{_kind}"
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), _first)


@dataclass(slots=True)
class _Reader:
    """Makes JSON of a YAML file and remembers on which line everything stands."""

    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[tuple[Path, str]] = field(default_factory=list)

    def content(self, file: File) -> Json:
        try:
            node = yaml.compose(file.read_text(encoding="utf-8"), Loader=_Loader)
            return self._value(node, (), ())
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._refuse((), mark.line if mark else 0, str(error.problem or error.context))
        except (OSError, UnicodeError, yaml.YAMLError, RecursionError) as error:
            self._refuse((), 0, f"cannot be read: {error}")
        return None

    def line(self, path: Path) -> int:
        """Of a place, else of what it is in."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def _refuse(self, path: Path, line: int, text: str) -> None:
        path = (*path, f"#{len(self.problems)}")  # a place of its own, for a line of its own
        self.lines[path] = line + 1
        self.problems.append((path, text))

    def _value(self, node: yaml.Node | None, path: Path, around: tuple[yaml.Node, ...]) -> Json:
        if node is None:
            return None
        self.lines.setdefault(path, node.start_mark.line + 1)
        if len(self.lines) > 100_000 or any(node is other for other in around):
            raise RecursionError("its aliases make it too large")
        around = (*around, node)
        if isinstance(node, yaml.MappingNode):
            return self._object(node, path, around)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(v, (*path, i), around) for i, v in enumerate(node.value)]
        return self._scalar(node, path)

    def _object(
        self, node: yaml.MappingNode, path: Path, around: tuple[yaml.Node, ...]
    ) -> JsonObject:
        values: JsonObject = {}
        for key, value in node.value:
            line = key.start_mark.line
            if not isinstance(key, yaml.ScalarNode):
                self._refuse(path, line, "a key has to be a word")
            elif key.value in values:
                self._refuse(path, line, f"the key {key.value!r} is there twice")
            else:
                self.lines[(*path, key.value)] = line + 1
                values[key.value] = self._value(value, (*path, key.value), around)
        return values

    def _scalar(self, node: yaml.Node, path: Path) -> Json:
        try:
            return _SCALARS[node.tag.removeprefix("tag:yaml.org,2002:")](node.value)
        except (KeyError, ValueError):
            self._refuse(path, node.start_mark.line, f"{node.value!r} cannot be {node.tag}")
            return None


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(text)
    return value


_SCALARS: dict[str, Callable[[str], Json]] = {
    "null": lambda text: None,
    "bool": {"true": True, "false": False}.__getitem__,
    "int": int,
    "float": _finite,
    "str": str,
}


# What a file has to be


def _meaning(content: JsonObject, actions: Mapping[str, ActionLike]) -> Found:
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


def _names(workflow: Workflow, parameters: set[str], before: Mapping[str, set[str]]) -> Found:
    """What templates speak of."""
    known = {*parameters, *RESERVED}
    for index, task in enumerate(workflow.tasks):
        done = before.get(task.name)
        yield from problems(task.with_, known, done, ("tasks", index, "with"))
        yield from problems(task.when, known, done, ("tasks", index, "when"))
        if isinstance(task.when, str) and not _whole(task.when):
            yield ("tasks", index, "when"), "when: expected true, false or one {{ expression }}"
    yield from problems(workflow.callback, known, {*workflow.names}, ("callback",))
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
    for path, sub in subschemas(schema, ("parameters",)):
        for key in sub.keys() - KEYWORDS:
            yield (*path, key), f"{key}: no keyword of JSON Schema{like(key, KEYWORDS)}"
        try:
            if "$ref" in resolved(schema, sub):
                yield (*path, "$ref"), f"{sub['$ref']}: goes round in a circle"
        except (LookupError, TypeError):
            yield (*path, "$ref"), f"{sub['$ref']}: points at nothing in `parameters`"


def _defaults(schema: JsonObject) -> Found:
    """Templates of defaults: they see what is required or goes before; deeper, also each other."""
    known = complete(schema)["properties"]
    seen = {*complete({})["properties"], *schema.get("required", ()), *RESERVED[1:]}
    deeper = {name for _, sub in subschemas(schema) for name in sub.get("properties", {})}
    for path, sub in subschemas(schema):
        place: Path = ("parameters", *path, "default")
        fixed = "default" in sub and not any(strings(sub["default"]))
        if fixed and not fits(schema, sub, sub["default"]):
            yield place, "default: is not valid by its own schema"
        if len(path) == 2 and path[0] == "properties":
            yield from problems(sub.get("default"), seen, None, place)
            seen.add(str(path[1]))
        else:
            yield from problems(sub.get("default"), {*known, *seen, *deeper}, None, place)
