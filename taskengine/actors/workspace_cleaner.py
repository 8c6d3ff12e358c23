"""Workspace cleaner: removes the workspaces of jobs that have ended, of those that may be retried
later than of others."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import trio

from taskengine.actors.wiring import Wiring
from taskengine.jobs.continuing import CLEANED_LATE
from taskengine.messages import Wake
from taskengine.policy import SYSTEM, settings_of
from taskengine.runtime.clock import Now, jittered, rest
from taskengine.runtime.mailbox import Mailbox
from taskengine.storage import Folder, StorageFailed
from taskengine.store import Store

logger = logging.getLogger(__name__)

POLL_INTERVAL = 300.0  # seconds between looks without a hint, jittered
MAX_BATCH = 500  # jobs asked for at once
# Times as long as a look took: each job that ends asks for one, and none is urgent.
REST_FACTOR = 20.0
MAX_REST = 2.0  # seconds


@dataclass(slots=True)
class WorkspaceCleaner:
    store: Store
    workspaces: Folder
    now: Now

    @classmethod
    def of(cls, wiring: Wiring) -> WorkspaceCleaner:
        resources = wiring.resources
        return cls(resources.patient, resources.environment.workspaces, resources.now)

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        with suppress(trio.EndOfChannel):
            while True:
                started = trio.current_time()
                await self._sweep()
                await rest(started, REST_FACTOR, MAX_REST)
                await mailbox.collect(jittered(POLL_INTERVAL))

    async def _sweep(self) -> None:
        try:
            jobs = sorted(await self._jobs())
        except (OSError, StorageFailed) as error:  # of a disk or a server: all else goes on
            logger.warning("the workspaces cannot be read for now: %s", error)
            return
        if not jobs:
            return
        hours = settings_of(await self.store.settings(SYSTEM)).retry_hours
        kept_since = self.now() - timedelta(hours=hours) - CLEANED_LATE
        for start in range(0, len(jobs), MAX_BATCH):
            batch = jobs[start : start + MAX_BATCH]
            used = await self.store.workspaces_in_use(batch, kept_since)
            for job_id in sorted(set(batch) - used):
                await self._remove(job_id)

    async def _jobs(self) -> set[int]:
        """The jobs that have a workspace, even if it holds only what a killed attempt left."""
        return {int(name) for name in await self.workspaces.folders() if name.isdigit()}

    async def _remove(self, job_id: int) -> None:
        try:
            await self.workspaces.below(str(job_id)).clear()
        except (OSError, StorageFailed) as error:
            logger.warning("the workspace of job %d stays for now: %s", job_id, error)
