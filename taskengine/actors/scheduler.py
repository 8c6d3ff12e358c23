"""Scheduler: queues jobs at the moment at which they are due, and ends pauses that are over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import trio

from taskengine.actors.wiring import Wiring
from taskengine.messages import Topic, Wake
from taskengine.runtime.clock import Now, next_look
from taskengine.runtime.mailbox import Mailbox
from taskengine.store import Store

POLL_INTERVAL = 15.0  # seconds between looks without a hint, jittered


@dataclass(slots=True)
class Scheduler:
    store: Store
    now: Now
    queued: Callable[[], None]  # there are newly queued jobs
    resumed: Callable[[], None] = lambda: None  # a pause is over
    look: float = POLL_INTERVAL

    @classmethod
    def of(cls, wiring: Wiring) -> Scheduler:
        queued, resumed = wiring.announce(Topic.ADMISSION), wiring.announce(Topic.WORK)
        return cls(wiring.resources.patient, wiring.resources.now, queued, resumed)

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        with suppress(trio.EndOfChannel):
            while True:
                await mailbox.collect(min(await self._queue_due(), await self._end_pauses()))

    async def _queue_due(self) -> float:
        """Queue what is due; how long to wait, in seconds, until the next look."""
        number, next_due = await self.store.queue_due(self.now())
        if number:
            self.queued()
        return next_look(self.look, next_due, self.now())

    async def _end_pauses(self) -> float:
        """End what is over, with all jobs that were set aside for it; how long to wait until the
        next look."""
        number = 1
        while number:
            number, next_end = await self.store.end_pauses(self.now())
            if number:
                self.queued()
                self.resumed()
        return next_look(self.look, next_end, self.now())
