"""What is said of an error: one clear line for what can happen, a traceback for a bug."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from taskengine.masking import masked_text
from taskengine.model import Misconfigured, TaskEngineError

ENVIRONMENT = {  # errors of the world around, by the module that has them
    "taskengine.embedded.server": ("EmbeddedServerFailed",),
    "asyncpg": (
        "InvalidAuthorizationSpecificationError",
        "InvalidCatalogNameError",
        "InsufficientPrivilegeError",
    ),
}


class Misused(click.ClickException):
    """The command cannot be run as it was called or configured."""

    exit_code = 2


def in_words(error: BaseException) -> BaseException:
    """What to raise in its place."""
    if isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort):
        return error
    if isinstance(error, BrokenPipeError):  # the reader has gone, as with `head`: click's matter
        return error
    found = list(members(error))
    if any(isinstance(member, KeyboardInterrupt) for member in found):
        return click.Abort()
    messages = [_message(member) for member in found]
    if None in messages:
        return error
    kind = Misused if isinstance(found[0], Misconfigured) else click.ClickException
    return kind(masked_text("\n".join(dict.fromkeys(filter(None, messages)))))


def members(error: BaseException) -> Iterator[BaseException]:
    """The single errors of a group."""
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from members(member)
    else:
        yield error


def _message(error: BaseException) -> str | None:
    """None: nobody foresaw it."""
    if isinstance(error, OSError) and not isinstance(error, TaskEngineError):
        return _of_system(error)
    known = tuple(
        getattr(sys.modules[module], name)  # what is not imported was not raised
        for module, names in ENVIRONMENT.items()
        if module in sys.modules
        for name in names
    )
    return str(error) if isinstance(error, (TaskEngineError, *known)) else None


def _of_system(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"
