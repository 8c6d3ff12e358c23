"""Where Jinja2 evaluates expressions: JSON in, JSON out, and nothing that can blow up."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

from jinja2 import Environment, StrictUndefined, Undefined, nodes, pass_environment
from jinja2.exceptions import SecurityError
from jinja2.filters import do_round, do_sum
from jinja2.sandbox import SandboxedEnvironment
from jinja2.visitor import NodeTransformer

from taskengine.model import Json

MAX_RESULT = 4 * 1024 * 1024  # characters and values
MAX_MADE = 4 * MAX_RESULT  # by all steps of an evaluation together: what memory it may take
MAX_BITS = 2_048  # of an integer: Python writes and reads some 600 digits wherever it runs
MAX_PRECISION = 100  # digits that a number is rounded to
METHODS = (  # of strings, objects and arrays; none makes much of little
    "capitalize casefold count endswith find get index isalnum isalpha isdigit items keys lower "
    "lstrip partition removeprefix removesuffix rfind rpartition rsplit rstrip split splitlines "
    "startswith strip title upper values"
)
CHOOSERS = "count d default first last length max min"  # filters that make nothing
FILTERS = (
    "abs capitalize float int items list lower map reject rejectattr reverse select "
    "selectattr sort title trim unique upper"
)
SLICE = "_slice"  # the filter that stands for `value[1:3]`


def plain(value: object) -> Json:
    """The value itself, once it is known to be JSON of a bounded size."""
    size, pending = 0, [value]
    while pending:
        item = pending.pop()
        size += 1 + (len(item) if isinstance(item, str) else 0)
        if size > MAX_RESULT:
            raise OverflowError(f"the value is larger than {MAX_RESULT} characters")
        if isinstance(item, dict):
            pending += item.keys()
            pending += item.values()
        elif isinstance(item, list):
            pending += item
        else:
            _check_scalar(item)
    return value


def _check_scalar(item: object) -> None:
    if isinstance(item, Undefined):
        item._fail_with_undefined_error()
    if isinstance(item, int):
        _bound_bits(item.bit_length())
    if isinstance(item, float) and not math.isfinite(item):
        raise ValueError(f"the value is {item}, which JSON does not have")
    if item is not None and not isinstance(item, str | int | float):
        raise TypeError(f"the value is no JSON ({type(item).__name__}); `| list` may help")


def text_of(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)


_left: ContextVar[int] = ContextVar("left", default=MAX_MADE)  # of what may still be made


@contextmanager
def bounded() -> Iterator[None]:
    """An evaluation: what it makes is counted, and ends it where it is too much."""
    before = _left.set(MAX_MADE)
    try:
        yield
    finally:
        _left.reset(before)


def made(value: Any) -> Any:
    """The value, which took memory; of what is made piece by piece, the pieces count."""
    if isinstance(value, Iterator):
        return map(made, value)
    left = _left.get() - (len(value) if isinstance(value, str | list | dict | tuple) else 1)
    if left < 0:
        raise OverflowError(f"its steps make more than {MAX_MADE} characters")
    _left.set(left)
    return value


def joined(values: Iterable[Json], separator: str = "") -> str:
    """One text of many values, which are written as JSON where they are no texts."""
    texts, size = [], 0
    for value in values:
        texts.append(text_of(value))
        size += len(texts[-1]) + len(separator)
        _bound(size - len(separator))
    text: str = made(separator.join(texts))
    return text


def _replace(text: str, old: str, new: str) -> str:
    _bound(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _slice(value: Json, start: Json, stop: Json, step: Json) -> Json:
    return value[start:stop:step]


@pass_environment
def _sum(environment: Environment, values: Any, attribute: Any = None, start: Any = 0) -> Any:
    if not isinstance(start, int | float):
        raise SecurityError("sum is for numbers only")
    return do_sum(environment, values, attribute, start)


def _round(value: Any, precision: int = 0, method: str = "common") -> float:
    if abs(precision) > MAX_PRECISION:
        raise OverflowError(f"numbers are rounded to {MAX_PRECISION} digits at most")
    return do_round(value, precision, method)  # type: ignore[arg-type]


def _bound_bits(bits: int) -> None:
    if bits > MAX_BITS:
        raise OverflowError(f"the number has more than {MAX_BITS} bits, some 600 digits")


def _bound(size: int) -> None:
    if size > MAX_RESULT:
        raise OverflowError(f"the value would be larger than {MAX_RESULT} characters")


class _NamedUndefined(StrictUndefined):
    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return self._undefined_hint or f"{self._undefined_name!r} is undefined"


class _Sandbox(SandboxedEnvironment):
    """Nothing but JSON values, a few methods and filters, and operators that cannot blow up."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A key goes before a method of that name: `tasks.list.items` is what a task returned."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return isinstance(obj, str | dict | list) and attr in METHODS.split()

    def wrap_str_format(self, value: Any) -> None:
        """No str.format: a width in it can be any number."""

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and {type(left), type(right)} in ({str}, {list}):
            _bound(len(left) + len(right))
            return made(left + right)
        numbers = all(isinstance(value, int | float | Undefined) for value in (left, right))
        if operator == "**" or not numbers:
            raise SecurityError(f"{operator} is for numbers only, and ** not available")
        _bound_bits(sum(v.bit_length() for v in (left, right) if isinstance(v, int)))
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, method: Any, *values: Any, **named: Any) -> Any:
        """What a method gives counts, as what a filter gives does."""
        return made(super().call(context, method, *values, **named))


def _environment() -> _Sandbox:
    sandbox = _Sandbox(undefined=_NamedUndefined, keep_trailing_newline=True, cache_size=0)
    own: dict[str, Callable[..., Any]] = {
        "join": joined,
        "replace": _replace,
        "round": _round,
        "string": text_of,
        "sum": _sum,
        SLICE: _slice,
    }
    known = {name: sandbox.filters[name] for name in (*CHOOSERS.split(), *FILTERS.split())} | own
    sandbox.filters = {
        name: one if name in CHOOSERS.split() else _counting(one) for name, one in known.items()
    }
    sandbox.globals = {}
    return sandbox


def _counting(make: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose results count."""

    @wraps(make)
    def counting(*values: Any, **named: Any) -> Any:
        return made(make(*values, **named))

    return counting


class _Bounding(NodeTransformer):
    """Operators that Jinja2 writes out in Python, as filters, whose results count."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802 - Jinja2's names
        self.generic_visit(node)
        return _filter(nodes.List(node.nodes, lineno=node.lineno), "join", [])

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        ends = (node.arg.start, node.arg.stop, node.arg.step)
        return _filter(node.node, SLICE, [end or nodes.Const(None) for end in ends])


def _filter(value: nodes.Expr, name: str, values: list[nodes.Expr]) -> nodes.Filter:
    return nodes.Filter(value, name, values, [], None, None, lineno=value.lineno)


def parse(source: str) -> nodes.Template:
    """The template as a tree, in which everything that makes values counts them."""
    tree: nodes.Template = _Bounding().visit(ENVIRONMENT.parse(source))
    tree.set_environment(ENVIRONMENT)
    return tree


ENVIRONMENT = _environment()
