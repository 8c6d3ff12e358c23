"""Engine time: the database's clock, carried on by a clock that no host can set (rule 24)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import trio

Now = Callable[[], datetime]

MAX_ROUND_TRIP = 0.1  # seconds; a slower sample says too little


class EngineClock:
    """The time all instances agree on; it never goes backwards within one of them."""

    def __init__(self, elapsed: Callable[[], float] | None = None) -> None:
        self._elapsed = elapsed or (lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
        self._offset = datetime.now(UTC) - timedelta(seconds=self._elapsed())
        self._last = datetime.min.replace(tzinfo=UTC)

    def __call__(self) -> datetime:
        self._last = max(self._last, self._offset + timedelta(seconds=self._elapsed()))
        return self._last

    def sample(self, told: datetime, asked: float, answered: float) -> bool:
        """Take over a time that the database told between two readings of elapsed(); whether it
        was told soon enough."""
        if answered - asked > MAX_ROUND_TRIP:
            return False
        self._offset = told - timedelta(seconds=(asked + answered) / 2)
        return True

    @property
    def elapsed(self) -> float:
        """Seconds on the clock that samples are measured with."""
        return self._elapsed()


def next_look(look: float, due: datetime | None, now: datetime) -> float:
    """Seconds until an actor looks by itself: about `look`, jittered, or until something is due."""
    patience = jittered(look)
    return patience if due is None else max(0.0, min(patience, (due - now).total_seconds()))


async def rest(since: float, times: float, most: float) -> None:
    """Pause in proportion to what took from `since`, on trio's clock, until now: what comes in
    meanwhile is done in one go, and who works without a pause leaves something to others."""
    await trio.sleep(min(times * (trio.current_time() - since), most))


def jittered(look: float) -> float:
    """About so many seconds, so that instances do not look in step."""
    return look * random.uniform(0.7, 1.3)


def virtual_clock(start: datetime) -> Now:
    """Engine time on trio's clock, for tests and simulations: both move together."""
    origin = trio.current_time()
    return lambda: start + timedelta(seconds=trio.current_time() - origin)
