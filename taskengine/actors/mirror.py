"""Mirror: this instance's queue counters, for all instances to see. Nothing is decided by them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import trio

from taskengine.actors.roster import Roster
from taskengine.counters import Counters, CountersUnavailable, QueueCounts

logger = logging.getLogger(__name__)

EVERY = 1.0  # seconds
GRACE = 2.0  # seconds to withdraw at the end


@dataclass(slots=True)
class Mirror:
    counters: Counters
    roster: Roster
    counts: Callable[[], QueueCounts]

    async def run(self) -> None:
        """Until cancelled; then the instance disappears from the mirror."""
        shown = 0
        try:
            while True:
                shown = await self._publish(shown)
                await trio.sleep(EVERY)
        finally:
            with trio.move_on_after(GRACE, shield=True):
                await self._withdraw(shown)

    async def _publish(self, shown: int) -> int:
        instance = self.roster.instance
        try:
            if shown not in (0, instance):
                await self.counters.withdraw(shown)
            await self.counters.publish(instance, self.counts())
        except CountersUnavailable as outage:
            logger.debug("the mirror is away: %s", outage)
        return instance

    async def _withdraw(self, shown: int) -> None:
        try:
            await self.counters.withdraw(shown)
        except CountersUnavailable as outage:
            logger.debug("the mirror is away: %s", outage)
