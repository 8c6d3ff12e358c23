"""Settler: tells those that wait for other jobs what became of these, some hundred at a time.

It looks when a job ends that others wait for, and by itself besides. Several instances share what
there is to do. What is too heavy for one transaction is halved.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import trio

from taskengine.actors.adaptive_limit import AdaptiveLimit
from taskengine.actors.wiring import Wiring
from taskengine.messages import Topic, Wake
from taskengine.runtime.clock import Now, jittered, rest
from taskengine.runtime.mailbox import Mailbox
from taskengine.store import Store

POLL_INTERVAL = 5.0  # seconds between looks without a hint, jittered
MAX_BATCH = 500  # jobs told in one step
REST_FACTOR = 0.5  # times as long as a step took: others want the same rows, and the database
MAX_REST = 0.05  # seconds


@dataclass(slots=True)
class Settler:
    store: Store
    now: Now
    settled: Callable[[], None]  # jobs go on or are broken, and callbacks may tell of it
    _limit: AdaptiveLimit = field(
        default_factory=lambda: AdaptiveLimit("cascades", MAX_BATCH), init=False
    )

    @classmethod
    def of(cls, wiring: Wiring) -> Settler:
        settled = wiring.announce(Topic.ADMISSION, Topic.SCHEDULE, Topic.CALLBACKS)
        return cls(wiring.resources.patient, wiring.resources.now, settled)

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        with suppress(trio.EndOfChannel):
            while True:
                await self._settle(mailbox)
                await mailbox.collect(jittered(POLL_INTERVAL))

    async def _settle(self, mailbox: Mailbox[Wake]) -> None:
        more = True
        while more and not mailbox.closing:
            started = trio.current_time()
            step = await self._limit.ask(partial(self.store.cascade, self.now()))
            if step.edges:
                self.settled()
            more = step.more
            await rest(started, REST_FACTOR, MAX_REST)
