"""How far attempts have come: a value of each, not mail. The newest is kept, and written when the
recorder and the database can; whoever reports it waits for neither."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from taskengine.model import Fence, Progressed

WRITE_PAUSE = 0.5  # seconds between two that are written of an attempt


@dataclass(slots=True)
class Progress:
    """`wake` tells the recorder that there is something again."""

    wake: Callable[[], None] = lambda: None
    _newest: dict[Fence, float] = field(default_factory=dict, init=False)
    _due: dict[Fence, float] = field(default_factory=dict, init=False)  # when one may be written

    def put(self, fence: Fence, fraction: float) -> None:
        """Takes the place of what was put before and is not written yet."""
        is_first = not self._newest
        self._newest[fence] = fraction
        if is_first:
            self.wake()

    def forget(self, fence: Fence) -> None:
        """The attempt is over."""
        self._newest.pop(fence, None)

    def keep(self, one: Progressed) -> None:
        """It was taken, and cannot be written now: a newer one takes its place."""
        self._newest.setdefault(one.fence, one.fraction)

    def take_due(self) -> list[Progressed]:
        """What is to be written now."""
        now = trio.current_time()
        self._due = {fence: when for fence, when in self._due.items() if when > now}
        due = [fence for fence in self._newest if fence not in self._due]
        self._due |= dict.fromkeys(due, now + WRITE_PAUSE)
        return [Progressed(fence, self._newest.pop(fence)) for fence in due]

    @property
    def patience(self) -> float:
        """Seconds until something is due."""
        now = trio.current_time()
        soonest = min((self._due.get(fence, now) for fence in self._newest), default=math.inf)
        return max(0.0, soonest - now)
