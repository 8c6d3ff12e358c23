"""Counter publisher: shows this instance's queue counters to all. Nothing is decided by them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from taskengine.actors.instance_state import InstanceState
from taskengine.actors.wiring import Wiring
from taskengine.counters import Counters, CountersUnavailable, QueueCounts

logger = logging.getLogger(__name__)

PUBLISH_INTERVAL = 1.0  # seconds
WITHDRAW_GRACE = 2.0  # seconds to withdraw at the end


@dataclass(slots=True)
class CounterPublisher:
    counters: Counters
    state: InstanceState
    counts: Callable[[], QueueCounts]
    _away: bool = field(default=False, init=False)

    @classmethod
    def of(cls, wiring: Wiring) -> CounterPublisher | None:
        counters = wiring.resources.counters
        return None if counters is None else cls(counters, wiring.state, wiring.counts)

    async def run(self) -> None:
        """Until cancelled; then the instance disappears from the mirror."""
        shown = 0
        try:
            while True:
                shown = await self._publish(shown)
                await trio.sleep(PUBLISH_INTERVAL)
        finally:
            with trio.move_on_after(WITHDRAW_GRACE, shield=True):
                await self._withdraw(shown)

    async def _publish(self, shown: int) -> int:
        instance = self.state.instance
        try:
            if shown not in (0, instance):
                await self.counters.withdraw(shown)
            await self.counters.publish(instance, self.counts())
        except CountersUnavailable as outage:
            self._tell(outage)
        else:
            self._tell(None)
        return instance

    def _tell(self, outage: CountersUnavailable | None) -> None:
        """Once when it goes, and once when it is back: the engine works on without it."""
        if outage is not None and not self._away:
            logger.warning("the mirror of the queue counters (redis_url) is away: %s", outage)
        if outage is None and self._away:
            logger.info("the mirror of the queue counters is back")
        self._away = outage is not None

    async def _withdraw(self, shown: int) -> None:
        try:
            await self.counters.withdraw(shown)
        except CountersUnavailable as outage:
            logger.debug("the mirror is away: %s", outage)
