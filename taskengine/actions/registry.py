"""Finding actions by name, and calling them with checked arguments."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from taskengine.actions.context import Context
from taskengine.model import JsonObject, PermanentFailure
from taskengine.plugins import plugins

F = TypeVar("F", bound=Callable[..., Awaitable[JsonObject | None]])
GROUP = "taskengine.actions"


def action(name: str) -> Callable[[F], F]:
    """Mark a function as the action `name`; find_actions() collects it from its module."""

    def mark(function: F) -> F:
        function.__taskengine_action__ = name  # type: ignore[attr-defined]
        return function

    return mark


@dataclass(frozen=True, slots=True)
class Action:
    """An action and what it takes."""

    name: str
    function: Callable[..., Awaitable[JsonObject | None]]
    arguments: type[BaseModel]

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.function) or "").split("\n")[0]

    async def __call__(self, context: Context, values: JsonObject) -> object:
        """Run it, and give what it returned, whatever that is. Raises PermanentFailure if the
        values do not fit its arguments."""
        try:
            checked = self.arguments.model_validate(values)
        except ValidationError as error:
            raise PermanentFailure(f"{self.name}: {_first(error)}") from None
        given = {name: getattr(checked, name) for name in self.arguments.model_fields}
        running = self.function(context, **given)
        if not inspect.isawaitable(running):
            raise PermanentFailure(f"{self.name}: expected an async function, with no yield in it")
        return await running


Actions = Mapping[str, Action]


def action_of(name: str, function: Callable[..., Awaitable[JsonObject | None]]) -> Action:
    """A function as the action `name`: its keyword-only parameters are what a task may give it."""
    return Action(name, function, _arguments(name, function))


def find_actions() -> dict[str, Action]:
    """All actions of this package and of installed packages, by name. Raises BrokenPlugin."""
    import taskengine.actions as package

    found: dict[str, Action] = {}
    for info in pkgutil.iter_modules(package.__path__):
        found |= _actions_in(importlib.import_module(f"{package.__name__}.{info.name}"))
    for actions in plugins(GROUP, _actions_of):
        found |= actions
    return found


def _actions_of(module: object) -> dict[str, Action]:
    """Of a module of an installed package."""
    if not isinstance(module, ModuleType):
        raise TypeError(f"expected a module, got {type(module).__name__}")
    return _actions_in(module)


def _actions_in(module: ModuleType) -> dict[str, Action]:
    found = {}
    for function in vars(module).values():
        # A module may hold objects that answer to any attribute, or fail at it.
        name = inspect.getattr_static(function, "__taskengine_action__", None)
        if isinstance(name, str) and function.__module__ == module.__name__:
            found[name] = action_of(name, function)
    return found


def _arguments(name: str, function: Callable[..., Any]) -> type[BaseModel]:
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        parameter.name: (
            hints[parameter.name],
            ... if parameter.default is parameter.empty else parameter.default,
        )
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    return create_model(name, __config__=ConfigDict(extra="forbid"), **fields)


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
