"""Few connections: a server that gives no more of them is no outage while some of ours are open.

Who needs one waits for one that comes back, and asks the server again now and then. The heartbeat's
goes before all others: a pool gives one of its own up for it.
"""

from __future__ import annotations

import logging
import math
import random

import trio

from taskengine.model import StoreUnavailable

logger = logging.getLogger(__name__)

CONNECTION_DEADLINE = 3.5  # seconds that a transaction waits; less than who cannot wait is let wait
RETRY_PAUSE = 0.5  # seconds until the server is asked again
LULL = 60.0  # seconds between two lines about it


class NoConnection(Exception):
    """The server gives no more connections; in its words."""


class Scarcity:
    """What a pool knows of the server's refusals."""

    def __init__(self) -> None:
        self._free = trio.lowlevel.ParkingLot()
        self._words = "left to somebody else"
        self._refused_until = -math.inf  # on trio's clock
        self._next_line = dict.fromkeys(("met", "given up"), -math.inf)

    def check(self) -> None:
        """Raise what the server said a moment ago, rather than ask it again."""
        if trio.current_time() < self._refused_until:
            raise NoConnection(self._words)

    def met(self, refusal: Exception) -> NoConnection:
        """The server refused a connection; what to raise."""
        self._words = f"{type(refusal).__name__}: {refusal}"
        self.hold_back(RETRY_PAUSE)
        if self._is_time("met"):
            logger.warning(
                "the database gives no more connections, so that transactions wait for those that "
                "are open: %s",
                self._words,
            )
        return NoConnection(self._words)

    def hold_back(self, seconds: float) -> None:
        """Do not ask the server for so long: somebody else needs a connection more."""
        self._refused_until = max(self._refused_until, trio.current_time() + seconds)

    async def wait(self, until: float) -> None:
        """Until a connection has come back, or the server may be asked again. Raises
        StoreUnavailable if there is no more time for that."""
        if trio.current_time() >= until:
            if self._is_time("given up"):
                logger.error(
                    "no connection came free in %g s: %s", CONNECTION_DEADLINE, self._words
                )
            raise StoreUnavailable(self._words)
        with trio.move_on_at(min(until, self._refused_until + RETRY_PAUSE * random.random())):
            await self._free.park()

    def came_back(self) -> None:
        """A connection is idle."""
        self._free.unpark()

    def _is_time(self, line: str) -> bool:
        now = trio.current_time()
        if now < self._next_line[line]:
            return False
        self._next_line[line] = now + LULL
        return True
