"""Claimers: one for each queue, taking as many tasks as there are idle workers."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

import trio
from prometheus_client import Histogram

from taskengine.actors.roster import Roster
from taskengine.messages import Wake
from taskengine.model import Attempt
from taskengine.runtime.clock import Now, next_look
from taskengine.runtime.mailbox import Mailbox
from taskengine.store import Dismissed, Store

LOOK = 2.0  # seconds between looks without a hint, jittered


@dataclass(slots=True)
class Claimer:
    """Hands claimed tasks to the workers at its desk, a mailbox without room: a task that no worker
    can take now stays in the store."""

    queue: str
    store: Store
    roster: Roster
    now: Now
    actions: Collection[str]
    desk: Mailbox[Attempt]
    taken: Histogram  # how many tasks at once

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        patience = 0.0
        with suppress(trio.EndOfChannel):
            while True:
                await mailbox.collect(patience)
                patience = await self._claim(mailbox)
        self.desk.address.close()

    async def _claim(self, mailbox: Mailbox[Wake]) -> float:
        """Claim for the idle workers; how long to wait, in seconds, before looking again."""
        patience = next_look(LOOK, None, self.now())
        while not mailbox.closing and (idle := self.desk.readers):
            try:
                claimed = await self.store.claim(
                    self.roster.instance, self.queue, self.actions, idle, uuid.uuid4(), self.now()
                )
            except Dismissed:
                return patience  # presence joins anew
            if claimed.attempts:
                self.taken.observe(len(claimed.attempts))
            for attempt in claimed.attempts:
                await self.desk.address.tell(attempt)
            if len(claimed.attempts) < idle:
                return next_look(LOOK, claimed.next_due, self.now())
        return patience
