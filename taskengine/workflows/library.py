"""Workflow files, read and checked: every problem at once, each with its file and line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path as File

import yaml

from taskengine.model import Json, JsonObject, TaskEngineError
from taskengine.workflows.checks import ActionLike, meaning_problems, shape_problems
from taskengine.workflows.templates import Path
from taskengine.workflows.workflow import Workflow


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
        """The client's own workflow of that name, else the common one; else the same in any case
        of letters."""
        for owner in (client, None):
            if found := self.workflows.get((owner, name)):
                return found
        for owner in (client, None):
            for (whose, known), workflow in self.workflows.items():
                if whose == owner and known.lower() == name.lower():
                    return workflow
        return None

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
    found = (
        reader.problems or list(shape_problems(content)) or list(meaning_problems(content, actions))
    )
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
        """The line of a place; where it has none, that of what contains it."""
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
