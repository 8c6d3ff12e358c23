"""Retention: removes old jobs, a few at a time, when their schedule says so."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import trio

from taskengine.actors.wiring import Wiring
from taskengine.messages import Wake
from taskengine.model import TooHeavy
from taskengine.policy import SYSTEM, settings_of
from taskengine.runtime.clock import Now
from taskengine.runtime.mailbox import Mailbox
from taskengine.store import Cleared, OldJob, Store

logger = logging.getLogger(__name__)

MAX_IDLE = 3600.0  # seconds; cron wakes it
MAX_REMOVED = 200  # jobs removed at once
BATCH_PAUSE = 0.1  # seconds between two batches


@dataclass(slots=True)
class Retention:
    store: Store  # a patient one
    now: Now

    @classmethod
    def of(cls, wiring: Wiring) -> Retention:
        return cls(wiring.resources.patient, wiring.resources.now)

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        with suppress(trio.EndOfChannel):
            while True:
                if await mailbox.collect(MAX_IDLE):
                    await self._remove_and_log(mailbox)

    async def _remove_and_log(self, mailbox: Mailbox[Wake]) -> None:
        try:
            await self._remove_old_jobs(mailbox)
        except TooHeavy:
            logger.exception("old jobs cannot be removed for now")

    async def _remove_old_jobs(self, mailbox: Mailbox[Wake]) -> None:
        days = settings_of(await self.store.settings(SYSTEM)).retention_days
        before, total = self.now() - timedelta(days=days), 0
        cleared = await self._remove_some(before, None)
        while cleared.last is not None and not mailbox.closing:
            total += cleared.number
            await trio.sleep(BATCH_PAUSE)
            cleared = await self._remove_some(before, cleared.last)
        total += cleared.number
        if not mailbox.closing:
            await self.store.tidy()
        if total:
            logger.info("%d old jobs were removed", total)

    async def _remove_some(self, before: datetime, after: OldJob | None) -> Cleared:
        """Remove a batch, of fewer jobs if many are too heavy. Raises TooHeavy if one alone is."""
        limit = MAX_REMOVED
        while True:
            try:
                return await self.store.clear_old_jobs(before, limit, after)
            except TooHeavy as error:
                logger.warning("removing %d old jobs is too heavy: %s", limit, error)
                if limit == 1:
                    raise
                limit //= 2
            await trio.sleep(BATCH_PAUSE)
