"""Jinja2 expressions in workflow files: sandboxed, bounded, evaluated once.

A string that is one `{{ … }}` (newlines after it aside) gives the value as it is; any other
template gives a string, in which what is not a string is written as JSON. Statements (`{% … %}`)
are refused, keys of objects are never templates, and what a template gives is data.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from jinja2 import meta, nodes
from jinja2.environment import TemplateExpression
from jinja2.exceptions import SecurityError

from taskengine.model import Json, TaskEngineError
from taskengine.texts import like, words_of
from taskengine.workflows.sandbox import ENVIRONMENT, bounded, joined, parse, plain

Path = tuple[str | int, ...]  # of a value in a JSON document
Found = Iterator[tuple[Path, str]]  # problems in a document: where, and what

MAX_TEMPLATE = 10_000  # characters


class TemplateError(TaskEngineError):
    """A template is malformed or has no value; the message begins with the template."""


def evaluate(template: Json, scope: Mapping[str, Json]) -> Json:
    """The value of a template, or of the templates in a structure. Raises TemplateError."""
    with bounded():
        return _evaluate(template, scope)


def _evaluate(template: Json, scope: Mapping[str, Json]) -> Json:
    if isinstance(template, dict):
        return {key: _evaluate(value, scope) for key, value in template.items()}
    if isinstance(template, list):
        return [_evaluate(value, scope) for value in template]
    if isinstance(template, str) and is_template(template):
        return _compiled(template).value(scope)
    return template


def is_template(text: str) -> bool:
    return "{{" in text or "{%" in text


def is_expression(text: str) -> bool:
    """Whether the text is one `{{ … }}`, so that the type of its value is kept."""
    return is_template(text) and _compiled(text).is_expression


def strings(template: Json, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """The templates in a structure, each with its place."""
    if isinstance(template, str) and is_template(template):
        yield path, template
    elif isinstance(template, dict):
        for key, value in template.items():
            yield from strings(value, (*path, key))
    elif isinstance(template, list):
        for index, value in enumerate(template):
            yield from strings(value, (*path, index))


def names_used(template: Json) -> set[str]:
    """The names that it looks up in its scope. Raises TemplateError if it is malformed."""
    return {name for _, text in strings(template) for name in _compiled(text).names}


def tasks_used(template: Json) -> set[str]:
    """The tasks whose results it looks up, by `tasks.<name>` or `tasks["<name>"]`."""
    return {key for _, text in strings(template) for key in _keys_used(text, "tasks")}


def results_used(template: Json) -> frozenset[str] | None:
    """The same; None where it looks them up in ways that only the run can tell."""
    if any(_compiled(text).any_task for _, text in strings(template)):
        return None
    return frozenset(tasks_used(template))


def _keys_used(text: str, name: str) -> set[str]:
    """What it looks up in what has that name, by `name.key` or `name["key"]`."""
    return {key for whose, key in _compiled(text).keys if whose == name}


def problems(
    template: Json,
    known: set[str],
    before: set[str] | None,
    place: Path,
    objects: Mapping[str, Collection[str]] | None = None,
) -> Found:
    """Syntax and names. `before`: the tasks whose results are there; None: that is not known.
    `objects`: the keys of what is no parameter."""
    for path, text in strings(template, place):
        try:
            names, tasks = names_used(text), tasks_used(text)
        except TemplateError as error:
            yield path, str(error)
            continue
        for name in sorted(names - known):
            yield path, f"{text}: there is no parameter {name!r}{like(name, known)}"
        for name in sorted(tasks - before if before is not None else ()):
            yield path, f"{text}: no task {name!r} always goes before{like(name, before or ())}"
        for name, keys in (objects or {}).items():
            for key in sorted(_keys_used(text, name) - {*keys, *dir(dict)}):
                there = f"there are {', '.join(keys)}"
                yield path, f"{text}: there is no {name}.{key} here{like(key, keys)}; {there}"


@dataclass(frozen=True, slots=True)
class _Template:
    source: str
    parts: tuple[str | TemplateExpression, ...]
    names: frozenset[str]
    keys: frozenset[tuple[str, str]]  # what is looked up in a name, such as a task in `tasks`
    any_task: bool  # whether it looks up tasks in other ways, too

    @property
    def is_expression(self) -> bool:
        first, *rest = self.parts
        return not isinstance(first, str) and not "".join(map(str, rest)).strip("\n")

    def value(self, scope: Mapping[str, Json]) -> Json:
        try:
            if self.is_expression:
                return _part(self.parts[0], scope)
            return plain(joined(_part(part, scope) for part in self.parts))
        except Exception as error:  # an expression can raise what it likes
            _fail(self.source, words_of(error))


def _part(part: str | TemplateExpression, scope: Mapping[str, Json]) -> Json:
    return part if isinstance(part, str) else plain(part(scope))


@lru_cache(maxsize=4096)
def _compiled(source: str) -> _Template:
    if len(source) > MAX_TEMPLATE:
        _fail(source, f"is longer than {MAX_TEMPLATE} characters")
    try:
        tree = parse(source)
        _check_filters(tree)
        parts = tuple(_compile(node) for node in _outputs(tree))
        names = meta.find_undeclared_variables(tree)
    except (Exception, MemoryError) as error:  # Python's own compiler has a say as well
        _fail(source, words_of(error))
    keys = list(_keys(tree))
    looked_up = sum(node.name == "tasks" for node in tree.find_all(nodes.Name))
    any_task = looked_up > sum(whose == "tasks" for whose, _ in keys)
    return _Template(source, parts, frozenset(names), frozenset(keys), any_task)


def _outputs(tree: nodes.Template) -> Iterator[nodes.Expr]:
    for node in tree.body:
        if not isinstance(node, nodes.Output):
            raise SecurityError("statements are not available here, only {{ expressions }}")
        yield from node.nodes


def _compile(node: nodes.Expr) -> str | TemplateExpression:
    """What compile_expression(undefined_to_none=False) does, for a node that is parsed already."""
    if isinstance(node, nodes.TemplateData):
        return node.data
    body = nodes.Assign(nodes.Name("result", "store", lineno=1), node, lineno=1)
    template = ENVIRONMENT.from_string(nodes.Template([body], lineno=1))
    return TemplateExpression(template, undefined_to_none=False)


def _check_filters(tree: nodes.Template) -> None:
    """In a condition Jinja2 itself would find a wrong one too late."""
    for used in tree.find_all(nodes.Filter):
        if used.name not in ENVIRONMENT.filters:
            raise SecurityError(f"there is no filter {used.name!r}")


def _keys(tree: nodes.Template) -> Iterator[tuple[str, str]]:
    """But for those with a default, which may be missing."""
    optional = [used.node for used in tree.find_all(nodes.Filter) if used.name in ("default", "d")]
    for attribute in tree.find_all(nodes.Getattr):
        if isinstance(attribute.node, nodes.Name) and not _is_in(attribute, optional):
            yield attribute.node.name, attribute.attr
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.node, nodes.Name) and isinstance(item.arg, nodes.Const):
            yield item.node.name, str(item.arg.value)


def _is_in(node: nodes.Node, found: Sequence[nodes.Node | None]) -> bool:
    return any(node is one for one in found)


def _fail(source: str, reason: str) -> NoReturn:
    shown = source if len(source) <= 100 else f"{source[:99]}…"
    raise TemplateError(f"{shown.strip()}: {reason[:MAX_TEMPLATE]}") from None
