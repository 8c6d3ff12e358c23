"""Engine time: the database's clock, carried on by a clock that no host can set (rule 24).

What the database tells is taken over at a bounded speed, so that one wrong answer changes little
and time neither stands still nor goes backwards. Where it is off by more than that would make up
for soon, somebody has set the database's clock or an answer was wrong: the second answer that says
the same decides.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import trio

logger = logging.getLogger(__name__)

Now = Callable[[], datetime]

MAX_ROUND_TRIP = 0.1  # seconds; a slower sample says too little
SLEW = 0.5  # seconds that engine time gains or loses in a second, to make up for a difference
JUMP = 60.0  # seconds; a larger difference is a jump
AGREEMENT = 1.0  # seconds between two answers that say the same


class EngineClock:
    """The time all instances agree on. It never goes backwards within one of them, but where the
    database's clock was set back by more than JUMP."""

    def __init__(self, elapsed: Callable[[], float] | None = None) -> None:
        self._elapsed = elapsed or partial(time.clock_gettime, time.CLOCK_BOOTTIME)
        self._offset = datetime.now(UTC) - timedelta(seconds=self._elapsed())
        self._ahead, self._since = 0.0, self._elapsed()  # seconds by which this was ahead, when
        self._last = datetime.min.replace(tzinfo=UTC)
        self._is_told = False
        self._doubted: datetime | None = None  # the offset that a jump would lead to

    def __call__(self) -> datetime:
        self._last = max(self._last, self._reading(self._elapsed()))
        return self._last

    def _reading(self, elapsed: float) -> datetime:
        left = max(0.0, abs(self._ahead) - SLEW * (elapsed - self._since))
        return self._offset + timedelta(seconds=elapsed + math.copysign(left, self._ahead))

    def sample(self, told: datetime, asked: float, answered: float) -> bool:
        """Take over a time that the database told between two readings of elapsed(); whether it
        was told soon enough, and is believed."""
        if answered - asked > MAX_ROUND_TRIP:
            return False
        elapsed, offset = self._elapsed(), told - timedelta(seconds=(asked + answered) / 2)
        ahead = (self._reading(elapsed) - offset).total_seconds() - elapsed
        if self._is_told and abs(ahead) > JUMP:
            return self._jumped(offset, ahead)
        self._offset, self._since = offset, elapsed
        self._ahead = ahead if self._is_told else 0.0
        self._is_told, self._doubted = True, None
        return True

    def _jumped(self, offset: datetime, ahead: float) -> bool:
        """Step to where two answers in a row say that time is; whether it did."""
        doubted, self._doubted = self._doubted, offset
        way = "back" if ahead > 0 else "forward"
        if doubted is None or abs((offset - doubted).total_seconds()) > AGREEMENT:
            logger.warning(
                "the database's clock went %s by %.0f s: not believed until it says so again",
                way,
                abs(ahead),
            )
            return False
        logger.error(
            "the database's clock was set %s by %.0f s, and so is the engine's time",
            way,
            abs(ahead),
        )
        self._offset, self._ahead, self._doubted = offset, 0.0, None
        self._last = datetime.min.replace(tzinfo=UTC)
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
