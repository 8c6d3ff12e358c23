"""Ticker: runs what recurs, each tick on one instance: the engine's own work and operators' jobs.

A tick of an operator's schedule is ended once its job is recorded. If it was not, because the
instance died or the database was away, another instance is handed the same tick, and makes the same
job, once.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import trio

from taskengine.actors.wiring import Wiring
from taskengine.jobs.submission import Reader, Received
from taskengine.jobs.submitting import submit_one
from taskengine.messages import Submit, Topic, Wake
from taskengine.model import Recorded, StoreUnavailable, Submission, TooHeavy
from taskengine.policy import SYSTEM, settings_of
from taskengine.runtime.clock import Now, next_look
from taskengine.runtime.mailbox import ActorGone, Address, Mailbox
from taskengine.schedules import CLEAR_JOBS, QUEUE_JOBS, RESCUE_TASKS, SUBMIT_JOB, Schedule, Tick
from taskengine.store import Cleared, OldJob, Store
from taskengine.store.ending import STALLED
from taskengine.times import format_time

logger = logging.getLogger(__name__)

LOOK = 15.0  # seconds between looks without a hint, jittered
LEASE = timedelta(seconds=60)  # for which nobody else is handed a tick
PATIENCE = 20.0  # seconds in which a submission is recorded, or left to the end of the lease
SOON = 0.05  # seconds until the next look while others are busy with what is due
FEW = 8  # jobs read and submitted at once, each of which may have a megabyte
PAGES = 10  # of started jobs, looked at in one sweep
BATCH = 200  # jobs removed at once
PAUSE = 0.1  # seconds between two batches


@dataclass(slots=True)
class Ticker:
    store: Store  # a patient one
    intake: Address[Submit]
    reader: Callable[[datetime], Reader]
    now: Now
    hints: Mapping[str, Callable[[], None]]  # who has to look, by class of schedule
    spread: Callable[[Recorded], None]  # what follows from ends of jobs
    look: float = LOOK
    _few: trio.CapacityLimiter = field(
        default_factory=lambda: trio.CapacityLimiter(FEW), init=False
    )
    _clearing: bool = field(default=False, init=False)
    _swept: int = field(default=0, init=False)  # the sweep goes on after this parent
    _swept_jobs: int = field(default=0, init=False)  # and after this job

    @classmethod
    def of(cls, wiring: Wiring) -> Ticker:
        resources, mailboxes = wiring.resources, wiring.mailboxes
        hints = {
            QUEUE_JOBS: partial(mailboxes.wake, Topic.SCHEDULE),
            RESCUE_TASKS: partial(mailboxes.wake, Topic.DEATH),
        }
        return cls(
            resources.patient,
            mailboxes.intake.address,
            resources.reader,
            resources.now,
            hints,
            mailboxes.announce_records,
        )

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
        return next_look(self.look, next_at, self.now()) or SOON

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
            with trio.fail_after(PATIENCE):
                async with self._few:
                    await self._submit(tick)
        await self.store.end_tick(tick)
        if tick.schedule.kind == CLEAR_JOBS:
            await self._clear()
        elif hint := self.hints.get(tick.schedule.kind):
            hint()
        if tick.schedule.kind == RESCUE_TASKS:
            await self._sweep()

    # Operators' jobs

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

    # Clean-up

    async def _sweep(self) -> None:
        """Settle some of the open edges at each tick, all of them in turn."""
        settled, after = await self.store.sweep_edges(self._swept, self.now())
        self._swept = after or 0
        if settled:
            logger.warning("%d jobs had ended unnoticed by those that waited for them", settled)
            self.spread(Recorded(waited=True))
        for queue, action in await self.store.unserved():
            told = "tasks wait for an instance that has the action %s and serves the queue %s"
            logger.warning(told, action, queue)
        for _ in range(PAGES):
            ended, later = await self.store.sweep_jobs(self._swept_jobs, self.now())
            self._swept_jobs = later or 0
            for job_id in ended.ended_jobs:
                logger.error("job %d has failed: it was started, and %s", job_id, STALLED)
            self.spread(ended)
            if later is None:
                break

    async def _clear(self) -> None:
        """Remove what is old, a little at a time; not twice at once."""
        if self._clearing:
            return
        self._clearing = True
        try:
            await self._clear_all()
        finally:
            self._clearing = False

    async def _clear_all(self) -> None:
        days = settings_of(await self.store.settings(SYSTEM)).retention_days
        before, total = self.now() - timedelta(days=days), 0
        cleared = await self._clear_some(before, None)
        while cleared.last is not None:
            total += cleared.number
            await trio.sleep(PAUSE)
            cleared = await self._clear_some(before, cleared.last)
        total += cleared.number
        await self.store.tidy()
        if total:
            logger.info("%d old jobs were removed", total)

    async def _clear_some(self, before: datetime, after: OldJob | None) -> Cleared:
        """Fewer jobs where many are too heavy. Raises TooHeavy for one that is."""
        limit = BATCH
        while True:
            try:
                return await self.store.clear_old_jobs(before, limit, after)
            except TooHeavy as error:
                logger.warning("removing %d old jobs is too heavy: %s", limit, error)
                if limit == 1:
                    raise
                limit //= 2
            await trio.sleep(PAUSE)


def origin_of(schedule: Schedule) -> dict[str, object]:
    """How a schedule's job came, for the first line of its log."""
    return {"path": f"SCHEDULE {schedule.name}", "remote_addr": "", "headers": {}}


def _request_id(tick: Tick) -> uuid.UUID:
    schedule = tick.schedule
    text = f"{schedule.client}/{schedule.name}/{format_time(tick.at)}"
    return uuid.uuid5(uuid.NAMESPACE_URL, text)
