"""What went wrong in an attempt: how it is told, and whether another try would help.

An action can raise anything, and what it raises may lie or fail when it is asked: nothing here asks
more of an error than its class, and its text under guard.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import trio

from taskengine.model import BadInput, FenceMoved, PermanentFailure, TaskEngineError
from taskengine.runtime.process import CommandUnusable, ProcessFailed, PulseMissed
from taskengine.texts import name_of, words_of
from taskengine.workflows.templates import TemplateError

MAX_MEMBERS = 1_000  # of a group of errors that are looked at
MAX_SHOWN = 3  # of them that are told
FINAL = (PermanentFailure, BadInput, TemplateError, CommandUnusable)
OUTDATED = (FenceMoved, PulseMissed)


class AttemptFailed(Exception):
    """What became of an attempt whose action raised something, and nothing more of that."""

    def __init__(self, message: str, *, final: bool = False, outdated: bool = False) -> None:
        super().__init__(message)
        self.final = final  # another try would fail as well
        self.outdated = outdated  # somebody else may run the task

    @classmethod
    def of(cls, error: BaseException) -> AttemptFailed:
        """Of whatever was raised."""
        return error if type(error) is cls else cls.told(describe(error), error)

    @classmethod
    def told(cls, message: str, error: BaseException) -> AttemptFailed:
        """Of one that is told in these words."""
        final, outdated = has_part(error, *FINAL), has_part(error, *OUTDATED)
        return cls(message, final=final, outdated=outdated)


def describe(error: BaseException) -> str:
    """An error as logs and callbacks tell it; of a group its first members."""
    shown = [*leaves(error)]
    if not shown:
        return name_of(error)
    told = "; ".join(_described(one) for one in shown[:MAX_SHOWN])
    more = len(shown) - MAX_SHOWN
    return f"{told}; and {more} more" if more > 0 else told


def _described(error: BaseException) -> str:
    if _is(error, trio.TooSlowError):
        return "timed out"
    if _is(error, trio.Cancelled):
        return "the action let out a trio.Cancelled, though nobody had cancelled it"
    words = words_of(error)
    if _is(error, AttemptFailed, TaskEngineError, ProcessFailed):
        return words or name_of(error)
    return f"{name_of(error)}: {words}" if words else name_of(error)


def has_part(error: BaseException, *kinds: type[BaseException]) -> bool:
    """Whether it, or any member of a group, is of one of these kinds."""
    return any(_is(one, *kinds) for one in leaves(error))


def has_error(error: BaseException) -> bool:
    """Whether there is more in it than cancellation."""
    return any(not _is(one, trio.Cancelled) for one in leaves(error))


def is_from_signal(error: BaseException) -> bool:
    """Whether it is the KeyboardInterrupt of a real SIGINT: the one that trio's handler raises."""
    return any(_is(one, KeyboardInterrupt) and _by_handler(one) for one in leaves(error))


def _by_handler(error: BaseException) -> bool:
    handler, trace = signal.getsignal(signal.SIGINT), error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    code = getattr(handler, "__code__", None)
    return trace is not None and trace.tb_frame.f_code is code


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors of a group, however deeply it is nested; any other is its own."""
    pending = [error]
    for _ in range(MAX_MEMBERS):
        if not pending:
            return
        one = pending.pop()
        if _is(one, BaseExceptionGroup):
            pending += reversed(BaseExceptionGroup.exceptions.__get__(one))
        else:
            yield one


def _is(error: BaseException, *kinds: type[BaseException]) -> bool:
    """isinstance() would ask the error itself for its class."""
    return issubclass(type(error), kinds)
