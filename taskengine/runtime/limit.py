"""A time limit for somebody's own time: what he waits for others meanwhile does not count."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import trio


@dataclass(slots=True)
class TimeLimit:
    """So many seconds for one block, in which there may be pauses, of several tasks at once."""

    seconds: float = math.inf
    _scope: trio.CancelScope = field(default_factory=trio.CancelScope, init=False)
    _pauses: int = field(default=0, init=False)
    _left: float = field(default=math.inf, init=False)  # when the first of these pauses began

    @contextmanager
    def running(self) -> Iterator[None]:
        """Cancel the block when its time is up. Raises trio.TooSlowError then."""
        if self.seconds == math.inf:
            yield  # nothing to cancel: most tasks have no limit
            return
        self._scope.deadline = trio.current_time() + self.seconds
        with self._scope:
            yield
        if self._scope.cancelled_caught:
            raise trio.TooSlowError(f"it took longer than {self.seconds:g} s")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time stands still for the length of this block."""
        if not self._pauses:
            self._left = self._scope.deadline - trio.current_time()
            self._scope.deadline = math.inf
        self._pauses += 1
        try:
            yield
        finally:
            self._pauses -= 1
            if not self._pauses:
                self._scope.deadline = trio.current_time() + self._left
