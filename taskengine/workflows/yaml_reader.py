"""YAML read strictly, with the line of everything in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path as File

import yaml

from taskengine.model import Json, JsonObject
from taskengine.workflows.templates import Path

MAX_FILE = 1 << 20  # bytes
MAX_VALUES = 100_000  # in a file, each as often as aliases repeat it
MAX_DEPTH = 100  # levels
SMALL = 1 << 16  # characters of a file that is read slowly, for better words


class _Loader(yaml.SafeLoader):
    """Safe, and without the surprises of YAML 1.1: `no`, `on`, 1:30 and dates are strings."""

    yaml_implicit_resolvers = {}  # noqa: RUF012


class _QuickLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same, ten times as fast, in C. But it says less clearly what is wrong, and a file with
    enough brackets would end the process."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


for _kind, _pattern, _first in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"-?(0|[1-9][0-9]*)", [*"-0123456789"]),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", [*"-0123456789"]),
):
    _tag = f"tag:yaml.org,2002:{_kind}"
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), _first)


@dataclass(slots=True)
class YamlReader:
    """Makes JSON of a YAML file and remembers on which line everything stands."""

    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[tuple[Path, str]] = field(default_factory=list)

    def content(self, file: File) -> Json:
        try:
            return self._value(_composed(file), (), ())
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
        if len(self.lines) > 2 * MAX_VALUES or any(node is other for other in around):
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


def _composed(file: File) -> yaml.Node | None:
    """The nodes of a file. Raises YAMLError for what is none, OSError, UnicodeError."""
    with file.open("rb") as opened:
        raw = opened.read(MAX_FILE + 1)
    if len(raw) > MAX_FILE:
        raise yaml.YAMLError(f"it is larger than {MAX_FILE} bytes")
    text = raw.decode()
    try:
        _check_size(text)
        return yaml.compose(text, Loader=_QuickLoader)
    except yaml.MarkedYAMLError:
        if len(text) > SMALL:
            raise
        return yaml.compose(text, Loader=_Loader)


def _check_size(text: str) -> None:
    """Raises YAMLError for more values or levels than there may be."""
    depth = values = 0
    for event in yaml.parse(text, Loader=_QuickLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        values += isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH:
            raise yaml.YAMLError(f"it is nested deeper than {MAX_DEPTH} levels")
        if values > MAX_VALUES:
            raise yaml.YAMLError(f"it has more than {MAX_VALUES} values")


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
