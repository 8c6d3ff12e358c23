"""Claimers: one for each queue, taking what its workers can begin with."""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import trio
from prometheus_client import Histogram

from taskengine.actors.desk import Desk
from taskengine.actors.instance_state import InstanceState
from taskengine.actors.wiring import Wiring
from taskengine.messages import Mail, Note, Wake
from taskengine.model import Attempt, Ended, Outcome, TooHeavy
from taskengine.runtime.clock import Now, next_look
from taskengine.runtime.mailbox import Address, Mailbox
from taskengine.store import Ahead, Claimed, Dismissed, Store

logger = logging.getLogger(__name__)

MAX_CLAIM = 1_000  # tasks in one claim
POLL_INTERVAL = 2.0  # seconds between looks without a hint, jittered


@dataclass(slots=True)
class Claimer:
    """Puts claimed tasks on the desk of its queue. What neither an idle worker nor the desk has
    room for stays in the store."""

    queue: str
    store: Store
    state: InstanceState
    now: Now
    actions: Collection[str]
    desk: Desk
    recorder: Address[Mail]
    taken: Histogram  # how many tasks at once
    _offered: int | None = field(default=None, init=False)  # as which instance it said what it runs
    _most: int = field(default=MAX_CLAIM, init=False)  # in one claim, as the database takes it
    _is_contested: bool = field(default=False, init=False)  # others held what was there to claim

    @classmethod
    def of(cls, wiring: Wiring, queue: str) -> Claimer:
        resources = wiring.resources
        return cls(
            queue=queue,
            store=resources.patient,
            state=wiring.state,
            now=resources.now,
            actions=list(resources.actions),
            desk=wiring.desks[queue],
            recorder=wiring.mailboxes.recorder.address,
            taken=resources.meters.claims.labels(queue),
        )

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        patience = 0.0
        with suppress(trio.EndOfChannel):
            while True:
                await mailbox.collect(min(patience, self.desk.patience))
                self._hand_back(self.desk.overdue())
                patience = await self._claim(mailbox)
        await self._clear()

    async def _clear(self) -> None:
        """At a stop the workers begin with what waits, as it is brief. What they do not come for is
        handed back."""
        self.desk.close()
        while (patience := self.desk.patience) < math.inf:
            await trio.sleep(patience)
            self._hand_back(self.desk.overdue())

    async def _claim(self, mailbox: Mailbox[Wake]) -> float:
        """Claim what is wanted; how long to wait, in seconds, before looking again."""
        patience = next_look(POLL_INTERVAL, None, self.now())
        while not mailbox.closing and self.desk.is_low:
            idle, ahead = self._wanted()
            if not idle + ahead.number:
                return patience
            try:
                await self._offer()
                claimed = await self._claim_some(idle, ahead)
            except Dismissed:
                return patience  # the heartbeat joins anew
            except TooHeavy as error:
                logger.warning("a claim of %d tasks is too heavy: %s", idle + ahead.number, error)
                self._most = max(1, (idle + ahead.number) // 2)
                return patience
            self._most = min(2 * self._most, MAX_CLAIM)
            number = len(claimed.attempts)
            self.desk.may_have_more = number >= idle
            if number < idle + ahead.number:
                return next_look(POLL_INTERVAL, claimed.next_due, self.now())
        return patience

    def _wanted(self) -> tuple[int, Ahead]:
        """How many tasks for idle workers, and what besides."""
        idle, ahead = min(self.desk.idle, self._most), self.desk.ahead
        return idle, replace(ahead, number=min(ahead.number, self._most - idle))

    async def _claim_some(self, idle: int, ahead: Ahead) -> Claimed:
        now, is_contested = self.now(), self.state.has_peers or self._is_contested
        given = (self.state.instance, self.queue, self.actions, idle, uuid.uuid4(), now)
        claimed = await self.store.claim(*given, ahead, is_contested)
        self._is_contested = claimed.next_due is not None and claimed.next_due <= now
        if claimed.attempts:
            self.taken.observe(len(claimed.attempts))
        for attempt in claimed.attempts:
            self.state.list(attempt)
            self.desk.put(attempt)
        return claimed

    def _hand_back(self, attempts: Sequence[Attempt]) -> None:
        """They did not begin: nothing is told of them."""
        for attempt in attempts:
            end = Ended(attempt.fence, self.now(), Outcome.RELEASED)
            forget = partial(self.state.forget, attempt.fence)
            self.recorder.hint(Note(end, forget))

    async def _offer(self) -> None:
        """Say once what this instance runs, so that others can tell what nobody does."""
        instance = self.state.instance
        if self._offered != instance:
            await self.store.offer(instance, self.queue, self.actions)
            self._offered = instance
