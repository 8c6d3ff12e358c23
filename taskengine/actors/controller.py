"""Controller: admits queued jobs as far as the slots reach. Several are safe by construction."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import trio

from taskengine.actors.adaptive_limit import AdaptiveLimit
from taskengine.actors.instance_state import InstanceState
from taskengine.actors.wiring import Wiring
from taskengine.messages import Topic, Wake
from taskengine.meters import Meters
from taskengine.runtime.clock import Now, jittered, rest
from taskengine.runtime.mailbox import Mailbox
from taskengine.store import Admitted, Dismissed, Store

POLL_INTERVAL = 5.0  # seconds between looks without a hint, jittered
MAX_BATCH = 500  # jobs in one admission
# Times as long as it took: under load more slots are free then, for one admission.
REST_FACTOR = 2.0
MAX_REST = 0.05  # seconds


@dataclass(slots=True)
class Controller:
    store: Store
    state: InstanceState
    now: Now
    admitted: Callable[[], None]  # there are new tasks
    meters: Meters
    _limit: AdaptiveLimit = field(
        default_factory=lambda: AdaptiveLimit("admission", MAX_BATCH), init=False
    )

    @classmethod
    def of(cls, wiring: Wiring) -> Controller:
        resources, admitted = wiring.resources, wiring.announce(Topic.WORK)
        return cls(resources.patient, wiring.state, resources.now, admitted, resources.meters)

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        """A hint that came out of the blue is followed at once, and so is the next one."""
        with suppress(trio.EndOfChannel):
            idle = math.inf
            while True:
                started = trio.current_time()
                await self._admit()
                over = trio.current_time()
                if idle < REST_FACTOR * (over - started):
                    await rest(started, REST_FACTOR, MAX_REST)
                over = trio.current_time()
                await mailbox.collect(jittered(POLL_INTERVAL))
                idle = trio.current_time() - over

    async def _admit(self) -> None:
        """One transaction after the other, as long as others may fit: workers hear of each."""
        more = True
        while more:
            try:
                admitted = await self._limit.ask(self._admit_some)
            except Dismissed:
                return  # the heartbeat joins anew
            more = admitted.more
            if admitted.number:
                self.meters.admissions.observe(admitted.number)
                self.meters.jobs_started(admitted.waits)
                self.admitted()

    async def _admit_some(self, limit: int) -> Admitted:
        return await self.store.admit(self.state.instance, self.now(), limit)
