"""Cron: runs recurring work, each tick on one instance: the engine's own and operators' jobs.

A tick of an operator's schedule is ended once its job is recorded. If it was not, because the
instance died or the database was away, another instance is handed the same tick, and makes the same
job, once. A tick of the engine's own work wakes the actors that do it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import trio

from taskengine.actors.wiring import Wiring
from taskengine.jobs.submission import Reader, Received
from taskengine.jobs.submitting import submit_one
from taskengine.messages import Submit, Topic, Wake
from taskengine.model import StoreUnavailable, Submission
from taskengine.runtime.clock import Now, next_look
from taskengine.runtime.mailbox import ActorGone, Address, Mailbox
from taskengine.schedules import (
    CLEAR_JOBS,
    QUEUE_JOBS,
    RESCUE_TASKS,
    SUBMIT_JOB,
    Tick,
    origin_of,
)
from taskengine.store import Store
from taskengine.times import format_time

logger = logging.getLogger(__name__)

POLL_INTERVAL = 15.0  # seconds between looks without a hint, jittered
LEASE = timedelta(seconds=60)  # for which nobody else is handed a tick
SUBMIT_DEADLINE = 20.0  # seconds in which a submission is recorded, or left to the end of the lease
SHORT_PAUSE = 0.05  # seconds until the next look while others are busy with what is due
MAX_AT_ONCE = 8  # jobs read and submitted at once, each of which may have a megabyte
WAKES = {
    QUEUE_JOBS: Topic.SCHEDULE,
    RESCUE_TASKS: Topic.RESCUE,
    CLEAR_JOBS: Topic.RETENTION,
}


@dataclass(slots=True)
class Cron:
    store: Store  # a patient one
    intake: Address[Submit]
    reader: Callable[[datetime], Reader]
    now: Now
    wake: Callable[[Topic], None]  # the actors that do the engine's own recurring work
    _slots: trio.CapacityLimiter = field(
        default_factory=lambda: trio.CapacityLimiter(MAX_AT_ONCE), init=False
    )

    @classmethod
    def of(cls, wiring: Wiring) -> Cron:
        resources, mailboxes = wiring.resources, wiring.mailboxes
        intake = mailboxes.intake.address
        return cls(resources.patient, intake, resources.reader, resources.now, mailboxes.wake)

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        async with trio.open_nursery() as nursery:
            with suppress(trio.EndOfChannel):
                while True:
                    await mailbox.collect(await self._claim(nursery))
            nursery.cancel_scope.cancel()

    async def _claim(self, nursery: trio.Nursery) -> float:
        """Begin what is due; how long to wait, in seconds, until the next look."""
        ticks, next_at = await self.store.claim_ticks(self.now(), LEASE)
        for tick in ticks:
            nursery.start_soon(self._run, tick)
        return next_look(POLL_INTERVAL, next_at, self.now()) or SHORT_PAUSE

    async def _run(self, tick: Tick) -> None:
        """A tick by itself: its failure disturbs no other."""
        try:
            await self._perform(tick)
        except (StoreUnavailable, ActorGone, trio.TooSlowError) as outage:
            logger.warning("schedule %s: later, %r", tick.schedule.name, outage)
        except Exception:
            logger.exception("schedule %s failed", tick.schedule.name)
            await self.store.end_tick(tick)

    async def _perform(self, tick: Tick) -> None:
        if tick.schedule.kind == SUBMIT_JOB:
            with trio.fail_after(SUBMIT_DEADLINE):
                async with self._slots:
                    await self._submit(tick)
        await self.store.end_tick(tick)
        if topic := WAKES.get(tick.schedule.kind):
            self.wake(topic)

    async def _submit(self, tick: Tick) -> None:
        submission = await self._submission(tick)
        if submission is None:
            return
        await submit_one(self.intake, submission)
        if submission.refusal is not None:
            logger.warning("schedule %s: refused, %s", tick.schedule.name, submission.refusal)

    async def _submission(self, tick: Tick) -> Submission | None:
        """The job of a tick, as its client's; a repeated tick makes it once."""
        name = tick.schedule.client or ""
        client = await self.store.client(name)
        if client is None:
            logger.warning("schedule %s: there is no client %s", tick.schedule.name, name)
            await self.store.remove_schedule(tick.schedule.name, name)  # made while it was removed
            return None
        body = await self.store.schedule_body(tick.schedule.name, name)
        if body is None:
            return None  # removed meanwhile
        received = Received(body, client, origin_of(tick.schedule))
        submission = self.reader(self.now()).read(received)
        return replace(submission, request_id=_request_id(tick))


def _request_id(tick: Tick) -> uuid.UUID:
    schedule = tick.schedule
    text = f"{schedule.client}/{schedule.name}/{format_time(tick.at)}"
    return uuid.uuid5(uuid.NAMESPACE_URL, text)
