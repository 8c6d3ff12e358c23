"""Operator: does, step by step, what bulk operations ask for.

An operation is claimed under a lease that each step renews, so that another instance goes on with
it where this one ends. Operations take turns: a long one holds up no other. What is too heavy for
one transaction is halved.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import trio

from taskengine.actors.wiring import Wiring
from taskengine.jobs.again import read_again, still_there
from taskengine.jobs.submission import Reader
from taskengine.messages import Wake
from taskengine.model import BadInput, Client, Job, JsonObject, Submission, TooHeavy
from taskengine.operations import ACTIVE, BulkOperation, BulkState
from taskengine.runtime.clock import Now, jittered, rest
from taskengine.runtime.mailbox import Mailbox
from taskengine.runtime.threads import in_thread
from taskengine.store import Store
from taskengine.store.operations import BulkStep
from taskengine.store.types import Cursor

logger = logging.getLogger(__name__)

POLL_INTERVAL = 5.0  # seconds between looks without a hint, jittered
LEASE: Final = timedelta(seconds=15)
GIVEN_UP: Final = timedelta()
TURN = 20  # steps of one operation before others are looked at
REST_FACTOR = 0.5  # times as long as a step took: others want the same rows, and the database
MAX_REST = 0.05  # seconds
TOO_MUCH = "it is too much for one transaction"


@dataclass(slots=True)
class Operator:
    store: Store
    reader: Callable[[datetime], Reader]
    now: Now
    changed: Callable[[], None]  # jobs were changed

    @classmethod
    def of(cls, wiring: Wiring) -> Operator:
        resources = wiring.resources
        changed = wiring.mailboxes.announce_change
        return cls(resources.patient, resources.reader, resources.now, changed)

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        with suppress(trio.EndOfChannel):
            while True:
                while not mailbox.closing and (one := await self._claim()):
                    await self._perform(one, mailbox)
                await mailbox.collect(jittered(POLL_INTERVAL))

    async def _claim(self) -> BulkOperation | None:
        one = await self.store.claim_operation(self.now(), LEASE)
        if one is None:
            await self.store.forget_operations(self.now())
        return one

    async def _perform(self, one: BulkOperation, mailbox: Mailbox[Wake]) -> None:
        """The steps of its turn; until somebody aborts it, or the engine stops."""
        current: BulkOperation | None = one
        for left in reversed(range(TURN)):
            if current is None or current.state not in ACTIVE or mailbox.closing:
                break
            started = trio.current_time()
            step = await self.next_step(current)
            current = await self.advance(step, LEASE if left else GIVEN_UP)
            self.changed()
            await rest(started, REST_FACTOR, MAX_REST)
        if current is not None and current.state not in ACTIVE:
            logger.info("operation %d (%s): %s", one.id, one.action.value, current.state.value)

    async def next_step(self, one: BulkOperation, limit: int | None = None) -> BulkStep:
        """The next jobs, with what the definition in force makes of them where it is asked for."""
        limit = limit or one.step_size
        if one.state is BulkState.UNDOING:
            return await self._undoing(one, limit)
        page = await self.store.jobs(replace(one.wanted, limit=limit, after=one.cursor))
        jobs = [job for job in page if job.id <= one.top]
        step = BulkStep(
            one, [job.id for job in jobs], page.next if len(jobs) == len(page) else None
        )
        if one.state is BulkState.COUNTING or one.values.get("definition") != "current":
            return step
        return await self._read_anew(step, jobs)

    async def _undoing(self, one: BulkOperation, limit: int) -> BulkStep:
        jobs = await self.store.changed_jobs(one, limit)
        return BulkStep(one, jobs, Cursor(jobs[-1], jobs[-1]) if len(jobs) == limit else None)

    async def _read_anew(self, step: BulkStep, jobs: Sequence[Job]) -> BulkStep:
        anew: dict[int, Submission] = {}
        refused: dict[int, str] = {}
        origin = {"operation": step.operation.id}
        clients = {name: await self.store.client(name) for name in {job.client for job in jobs}}
        for job in jobs:
            try:
                anew[job.id] = await self._submission(job, clients[job.client], origin)
            except BadInput as refusal:
                refused[job.id] = str(refusal)
        return replace(step, anew=anew, refused=refused)

    async def _submission(self, job: Job, client: Client | None, origin: JsonObject) -> Submission:
        owner = still_there(client, job.client)
        text = await self.store.document(job.id, "submitted") or "{}"
        given = (self.reader(self.now()), owner, origin, job.workflow, text)
        return await in_thread(partial(read_again, *given), len(text))

    async def advance(self, step: BulkStep, lease: timedelta = LEASE) -> BulkOperation | None:
        """What is too heavy is halved; one job alone that is too heavy is skipped."""
        try:
            return await self.store.advance_operation(step, self.now(), lease)
        except TooHeavy as error:
            logger.warning("operation %d: %s; fewer jobs at once", step.operation.id, error)
        if len(step.jobs) <= 1:
            refused = replace(step, refused=dict.fromkeys(step.jobs, TOO_MUCH))
            return await self.advance(refused, lease)
        fewer = await self.next_step(step.operation, len(step.jobs) // 2)
        return await self.advance(fewer, lease)
