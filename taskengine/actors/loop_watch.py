"""Loop watch: measures how late the loop is, which all actors and requests share."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import trio

from taskengine.meters import Meters

logger = logging.getLogger(__name__)

INTERVAL = 0.5  # seconds between two measures
LATE = 1.0  # seconds from which on it is worth a line
TELL = 60.0  # seconds between two lines


@dataclass(slots=True)
class LoopWatch:
    meters: Meters
    _told: float = -TELL

    async def run(self) -> None:
        while True:
            due = trio.current_time() + INTERVAL
            await trio.sleep_until(due)
            self._measured(trio.current_time() - due)

    def _measured(self, late: float) -> None:
        self.meters.loop_delay.observe(late)
        now = trio.current_time()
        if late >= LATE and now - self._told >= TELL:
            self._told = now
            logger.warning("the loop was late by %.1f s: this host or process is overloaded", late)
