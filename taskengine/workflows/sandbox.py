"""Where Jinja2 evaluates expressions: JSON in, JSON out, and nothing that can blow up."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from typing import Any

from jinja2 import StrictUndefined, Undefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.filters import do_round
from jinja2.sandbox import SandboxedEnvironment

from taskengine.model import Json

MAX_RESULT = 4 * 1024 * 1024  # characters and values
MAX_BITS = 2_048  # of an integer: Python writes and reads some 600 digits wherever it runs
MAX_PRECISION = 100  # digits that a number is rounded to
METHODS = (  # of strings, objects and arrays; none makes much of little
    "capitalize casefold count endswith find get index isalnum isalpha isdigit items keys lower "
    "lstrip partition removeprefix removesuffix rfind rpartition rsplit rstrip split splitlines "
    "startswith strip title upper values"
)
FILTERS = (
    "abs capitalize count d default first float int items last length list lower map max min "
    "reject rejectattr reverse round select selectattr sort sum title trim unique upper"
)


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


def joined(values: Iterable[Json], separator: str = "") -> str:
    texts = [text_of(value) for value in values]
    _bound(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _replace(text: str, old: str, new: str) -> str:
    _bound(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


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


class _Code(CodeGenerator):
    """`~` writes what is not a string as JSON, as a template with text around it does."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - Jinja2's name
        self.write("environment.joined((")
        for operand in node.nodes:
            self.visit(operand, frame)
            self.write(", ")
        self.write("))")


class _Sandbox(SandboxedEnvironment):
    """Nothing but JSON values, a few methods and filters, and operators that cannot blow up."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})
    code_generator_class = _Code
    joined = staticmethod(joined)

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
        if operator == "+":
            _bound(sum(len(value) for value in (left, right) if isinstance(value, str | list)))
            return super().call_binop(context, operator, left, right)
        numbers = all(isinstance(value, int | float | Undefined) for value in (left, right))
        if operator == "**" or not numbers:
            raise SecurityError(f"{operator} is for numbers only, and ** not available")
        _bound_bits(sum(v.bit_length() for v in (left, right) if isinstance(v, int)))
        return super().call_binop(context, operator, left, right)


def _environment() -> _Sandbox:
    sandbox = _Sandbox(undefined=_NamedUndefined, keep_trailing_newline=True, cache_size=0)
    own: dict[str, Callable[..., Any]] = {
        "join": joined,
        "replace": _replace,
        "round": _round,
        "string": text_of,
    }
    sandbox.filters = {name: sandbox.filters[name] for name in FILTERS.split()} | own
    sandbox.globals = {}
    return sandbox


ENVIRONMENT = _environment()
