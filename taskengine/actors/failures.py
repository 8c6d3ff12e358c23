"""What went wrong in an attempt: how it is told, and whether another try would help."""

from __future__ import annotations

import trio

from taskengine.model import BadInput, PermanentFailure, TaskEngineError
from taskengine.runtime.process import ProcessFailed
from taskengine.workflows.templates import TemplateError


def describe(error: BaseException) -> str:
    """An error as logs and callbacks tell it; a group of one is that one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, trio.TooSlowError):
        return "timed out"
    if isinstance(error, (TaskEngineError, ProcessFailed)):
        return str(error) or type(error).__name__
    return f"{type(error).__name__}: {error}"


def is_permanent(error: BaseException) -> bool:
    """Whether any part of it says that another try would fail as well."""
    return has_part(error, PermanentFailure, BadInput, TemplateError)


def has_part(error: BaseException, *kinds: type[BaseException]) -> bool:
    """Whether it, or any member of a group, is of one of these kinds."""
    if isinstance(error, BaseExceptionGroup):
        return any(has_part(member, *kinds) for member in error.exceptions)
    return isinstance(error, kinds)
