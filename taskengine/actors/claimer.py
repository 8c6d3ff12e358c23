"""Claimers: one for each queue, taking as many tasks as there are idle workers."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field

import trio
from prometheus_client import Histogram

from taskengine.actors.instance_state import InstanceState
from taskengine.actors.wiring import Wiring
from taskengine.messages import Wake
from taskengine.model import Attempt, TooHeavy
from taskengine.runtime.clock import Now, next_look
from taskengine.runtime.mailbox import Mailbox
from taskengine.store import Dismissed, Store

logger = logging.getLogger(__name__)

MAX_CLAIM = 1_000  # tasks in one claim
POLL_INTERVAL = 2.0  # seconds between looks without a hint, jittered


@dataclass(slots=True)
class Claimer:
    """Hands claimed tasks to the workers at its handoff, a mailbox without room: a task that no
    worker can take now stays in the store."""

    queue: str
    store: Store
    state: InstanceState
    now: Now
    actions: Collection[str]
    handoff: Mailbox[Attempt]
    taken: Histogram  # how many tasks at once
    _offered: int | None = field(default=None, init=False)  # as which instance it said what it runs
    _most: int = field(default=MAX_CLAIM, init=False)  # in one claim, as the database takes it

    @classmethod
    def of(cls, wiring: Wiring, queue: str) -> Claimer:
        resources = wiring.resources
        return cls(
            queue=queue,
            store=resources.patient,
            state=wiring.state,
            now=resources.now,
            actions=list(resources.actions),
            handoff=wiring.mailboxes[queue],
            taken=resources.meters.claims.labels(queue),
        )

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        patience = 0.0
        with suppress(trio.EndOfChannel):
            while True:
                await mailbox.collect(patience)
                patience = await self._claim(mailbox)
        self.handoff.address.close()

    async def _claim(self, mailbox: Mailbox[Wake]) -> float:
        """Claim for the idle workers; how long to wait, in seconds, before looking again."""
        patience = next_look(POLL_INTERVAL, None, self.now())
        while not mailbox.closing and self.handoff.readers:
            wanted = min(self.handoff.readers, self._most)
            try:
                await self._offer()
                claimed = await self.store.claim(
                    self.state.instance, self.queue, self.actions, wanted, uuid.uuid4(), self.now()
                )
            except Dismissed:
                return patience  # the heartbeat joins anew
            except TooHeavy as error:
                logger.warning("a claim of %d tasks is too heavy: %s", wanted, error)
                self._most = max(1, wanted // 2)
                return patience
            self._most = min(2 * self._most, MAX_CLAIM)
            if claimed.attempts:
                self.taken.observe(len(claimed.attempts))
            for attempt in claimed.attempts:
                await self.handoff.address.tell(attempt)
            if len(claimed.attempts) < wanted:
                return next_look(POLL_INTERVAL, claimed.next_due, self.now())
        return patience

    async def _offer(self) -> None:
        """Say once what this instance runs, so that others can tell what nobody does."""
        instance = self.state.instance
        if self._offered != instance:
            await self.store.offer(instance, self.queue, self.actions)
            self._offered = instance
