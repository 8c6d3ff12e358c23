"""What an error says of itself, asked for beside the loop that all share.

The text of an error is made by a method of its class, and that may take as long as it likes: a
list of a million values, a question to a server. Such a class is asked in a thread, for a few
seconds; one whose text is at hand is asked at once.
"""

from __future__ import annotations

import threading

import trio

from taskengine.actors.failures import AttemptFailed, describe, leaves
from taskengine.texts import name_of

PATIENCE = 5.0  # seconds, of a real clock, for the text of an error
ASKED = trio.CapacityLimiter(4)  # errors whose text is being made
AT_HAND = (BaseException.__str__, KeyError.__str__)  # these say what the error was made with
SILENT = (trio.Cancelled, trio.TooSlowError)  # words of our own stand for them
MAX_GIVEN = 10  # values that it was made with
MAX_TEXT = 65_536  # characters of each


async def failure_of(error: BaseException) -> AttemptFailed:
    """What becomes of an attempt whose action raised this."""
    if all(_is_at_hand(one) for one in leaves(error)):
        return AttemptFailed.of(error)
    told = ""
    with trio.CancelScope(shield=True):  # it is over soon
        told = await told_beside(error)
    return AttemptFailed.told(told, error)


async def told_beside(error: BaseException) -> str:
    """What it says, told by a thread."""
    return await trio.to_thread.run_sync(_told_in_time, error, limiter=ASKED)


def _told_in_time(error: BaseException) -> str:
    """The thread that asks is left behind where it takes too long: nobody can end it."""
    told: list[str] = []
    asking = threading.Thread(target=lambda: told.append(describe(error)), daemon=True)
    asking.start()
    asking.join(PATIENCE)
    if told:
        return told[0]
    first = next(leaves(error), error)
    return f"{name_of(first)}: its text takes longer than {PATIENCE:g} s"


def _is_at_hand(error: BaseException) -> bool:
    """Whether its text costs next to nothing. Nothing is asked of its class."""
    if issubclass(type(error), SILENT):
        return True
    given: tuple[object, ...] = BaseException.args.__get__(error)  # type: ignore[attr-defined]
    return _method(error) in AT_HAND and len(given) <= MAX_GIVEN and all(map(_is_plain, given))


def _method(error: BaseException) -> object:
    """What makes its text."""
    kinds: tuple[type, ...] = type.__dict__["__mro__"].__get__(type(error))
    spaces = (type.__dict__["__dict__"].__get__(kind) for kind in kinds)
    return next(space["__str__"] for space in spaces if "__str__" in space)


def _is_plain(value: object) -> bool:
    """Whether to tell of it takes no more than moments."""
    if type(value) is str or type(value) is bytes:
        return len(value) <= MAX_TEXT
    return value is None or type(value) in (bool, int, float)
