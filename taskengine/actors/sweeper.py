"""Sweeper: finds jobs that a lost message or a fault left behind, and says which tasks nobody
serves.

It is a safety net: where all goes well it finds nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import trio

from taskengine.actors.wiring import Wiring
from taskengine.messages import Wake
from taskengine.model import Recorded
from taskengine.runtime.clock import Now
from taskengine.runtime.mailbox import Mailbox
from taskengine.store import Store
from taskengine.store.completion import STALLED

logger = logging.getLogger(__name__)

MAX_IDLE = 3600.0  # seconds; cron wakes it
MAX_PAGES = 10  # of started jobs, looked at in one sweep


@dataclass(slots=True)
class Sweeper:
    store: Store  # a patient one
    now: Now
    spread: Callable[[Recorded], None]  # what follows from ends of jobs
    _last_parent: int = field(default=0, init=False)  # the next sweep goes on after it
    _last_job: int = field(default=0, init=False)  # and after this job

    @classmethod
    def of(cls, wiring: Wiring) -> Sweeper:
        resources = wiring.resources
        return cls(resources.patient, resources.now, wiring.mailboxes.announce_records)

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        with suppress(trio.EndOfChannel):
            while True:
                if await mailbox.collect(MAX_IDLE):
                    await self._sweep(mailbox)

    async def _sweep(self, mailbox: Mailbox[Wake]) -> None:
        """Some of the open edges and started jobs each time, all of them in turn."""
        settled, after = await self.store.sweep_edges(self._last_parent, self.now())
        self._last_parent = after or 0
        if settled:
            logger.warning("%d jobs had ended unnoticed by those that waited for them", settled)
            self.spread(Recorded(waited=True))
        for queue, action in await self.store.unserved():
            told = "tasks wait for an instance that has the action %s and serves the queue %s"
            logger.warning(told, action, queue)
        for _ in range(MAX_PAGES):
            ended, later = await self.store.sweep_jobs(self._last_job, self.now())
            self._last_job = later or 0
            for job_id in ended.ended_jobs:
                logger.error("job %d has failed: it was started, and %s", job_id, STALLED)
            self.spread(ended)
            if later is None or mailbox.closing:
                break
