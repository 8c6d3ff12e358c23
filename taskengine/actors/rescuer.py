"""Rescuer: queues again what dead instances held.

A rescue may take long where much is going on, and no heartbeat may wait for it: it has an actor of
its own, on the connections that all share.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from taskengine.actors.wiring import Wiring
from taskengine.messages import Alert, Wake, tell_nobody
from taskengine.model import Recorded
from taskengine.runtime.clock import Now
from taskengine.runtime.mailbox import Mailbox
from taskengine.store import Store

logger = logging.getLogger(__name__)

MAX_IDLE = 3600.0  # seconds; the heartbeat looks every second
SILENCE_TRUST = 4.0  # seconds that a silence is believed; who was silent may beat again


@dataclass(slots=True)
class Rescuer:
    store: Store  # a patient one: whoever is known to be dead is so after an outage as well
    now: Now
    spread: Callable[[Recorded], None]
    alert: Callable[[Alert], None] = tell_nobody
    silent: dict[int, int] = field(default_factory=dict)  # peers that stood still, at which beat

    @classmethod
    def of(cls, wiring: Wiring) -> Rescuer:
        resources, spread = wiring.resources, wiring.mailboxes.announce_records
        return cls(resources.patient, resources.now, spread, wiring.alert, wiring.silent)

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        """Until cancelled. A hint says that somebody is dead."""
        while True:
            await mailbox.collect(MAX_IDLE)
            await self._look()

    async def _look(self) -> None:
        silent = dict(self.silent)
        self.silent.clear()
        for peer, beat in (await self.store.beats()).items():
            if beat is None:
                await self._rescue(peer, None)
            elif silent.get(peer) == beat:
                with trio.move_on_after(SILENCE_TRUST):
                    await self._rescue(peer, beat)

    async def _rescue(self, peer: int, beat: int | None) -> None:
        recorded = await self.store.rescue(peer, beat, self.now())
        if recorded is not None:
            how = "was seen to die" if beat is None else "is dead"
            told = f"instance {peer} {how}, its tasks are queued again"
            logger.warning(told)
            self.alert(Alert("instance_dead", told))
            self.spread(recorded)
