"""A place for an action to run in, out of which nothing comes but its result or one failure.

The action is a task of its own, so that cancel scopes and nurseries that it leaves open are left
there; and whatever it raises ends there, be it SystemExit or a cancellation that it took from
somewhere else (rule 30). Only the cancellation of the caller passes, and the KeyboardInterrupt of
a real SIGINT.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Generic, TypeVar

import trio

from taskengine.actors.failures import AttemptFailed, has_error, is_from_signal
from taskengine.actors.telling import failure_of
from taskengine.texts import clean_text

logger = logging.getLogger(__name__)

T = TypeVar("T")


async def contained(action: Callable[[], Awaitable[T]], name: str) -> T:
    """The result of an action. Raises AttemptFailed, whatever the action raised. By its name it is
    logged where it fails while the caller is cancelled."""
    cell: _Cell[T] = _Cell(action, name)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cell.run)
    except BaseException as error:  # of scopes left open, of tasks smuggled into this nursery
        cell.note(error)
    if trio.current_effective_deadline() == -math.inf:
        await cell.tell_of_leftovers()
        await trio.lowlevel.checkpoint_if_cancelled()
    if cell.errors:
        raise await failure_of(BaseExceptionGroup("", cell.errors)) from None
    if not cell.results:
        raise AttemptFailed("the action cancelled its own task")
    return cell.results[0]


def contained_in(frame: FrameType | None) -> str:
    """The name of the action that this frame belongs to; empty if it is none of an action."""
    while frame is not None:
        if frame.f_code is _Cell.run.__code__:
            cell: _Cell[Any] = frame.f_locals["self"]
            return cell.name
        frame = frame.f_back
    return ""


@dataclass(slots=True)
class _Cell(Generic[T]):
    action: Callable[[], Awaitable[T]]
    name: str
    results: list[T] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    async def run(self) -> None:
        try:
            with trio.CancelScope():  # complains of scopes that are still open in it
                self.results.append(await self.action())
        except BaseException as error:
            self.note(error)
        for nursery in trio.lowlevel.current_task().child_nurseries:
            self.errors = [AttemptFailed("the action left a nursery open")]
            nursery.cancel_scope.cancel()

    def note(self, error: BaseException) -> None:
        if is_from_signal(error):
            raise error
        self.errors.append(error)

    async def tell_of_leftovers(self) -> None:
        """An error of a clean-up is nobody's failure: the attempt does not count."""
        failures = [one for one in self.errors if has_error(one)]
        if failures:
            failure = await failure_of(BaseExceptionGroup("", failures))
            told = clean_text(str(failure)[:1_000])
            logger.warning("%s failed while it was cancelled: %s", self.name, told)
