"""Notifier: what other instances announce, and what this one announces to them.

Announcements leave after their commits, together, at most every 20 ms (rule 20).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import trio

from taskengine.actors.wiring import Wiring
from taskengine.messages import Announce
from taskengine.model import StoreUnavailable
from taskengine.runtime.mailbox import Mailbox
from taskengine.store import Deaf, Store

logger = logging.getLogger(__name__)

ANNOUNCE_PAUSE = 0.02  # seconds between two announcements
RETRY_PAUSE = 2.0  # seconds before listening again
DEAF_PAUSE = 300.0  # seconds, where nothing arrives: actors look by themselves meanwhile
MAX_IDLE = 3600.0


@dataclass(slots=True)
class Notifier:
    store: Store  # an impatient one
    hear: Callable[[str], None]

    @classmethod
    def of(cls, wiring: Wiring) -> Notifier:
        return cls(wiring.resources.store, wiring.mailboxes.wake)

    async def run(self, mailbox: Mailbox[Announce]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen)
            with suppress(trio.EndOfChannel):
                while True:
                    await self._announce(await _topics(mailbox))
                    await trio.sleep(ANNOUNCE_PAUSE)
            nursery.cancel_scope.cancel()

    async def _announce(self, topics: set[str]) -> None:
        with suppress(StoreUnavailable):  # they look by themselves
            if topics:
                await self.store.announce(topics)

    async def _listen(self) -> None:
        while True:
            pause = await self._hear()
            await trio.sleep(pause)

    async def _hear(self) -> float:
        """Hear until the connection is lost; then, how long to wait, in seconds."""
        try:
            async for topic in self.store.listen():
                self.hear(topic)
        except Deaf as deafness:
            logger.warning(
                "announcements of other instances do not arrive (%s): what they start is found "
                "when actors look by themselves, every few seconds",
                deafness,
            )
            return DEAF_PAUSE
        except StoreUnavailable as outage:
            logger.info("listening again in %g s: %s", RETRY_PAUSE, outage)
        return RETRY_PAUSE


async def _topics(mailbox: Mailbox[Announce]) -> set[str]:
    topics = set()
    for envelope in await mailbox.collect(MAX_IDLE):
        with envelope as announcement:
            topics.add(announcement.topic)
    return topics
