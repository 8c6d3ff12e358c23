"""Intake: concurrent submissions share one insert, each answered after the commit that holds it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from taskengine.messages import Submit
from taskengine.model import BadInput, StoreUnavailable
from taskengine.runtime.clock import Now
from taskengine.runtime.mailbox import Delivery, Mailbox
from taskengine.store import Store

logger = logging.getLogger(__name__)

PATIENCE = 3600.0  # seconds; nothing to look for by itself


@dataclass(slots=True)
class Intake:
    """Answers a Submit with the job's id, BadInput, or StoreUnavailable."""

    store: Store  # an impatient one: a client waits
    now: Now
    wake: Callable[[], None]  # there are new jobs

    async def run(self, mailbox: Mailbox[Submit]) -> None:
        async for first in mailbox:
            batch = [first, *mailbox.waiting(limit=499)]
            await self._record(batch)

    async def _record(self, batch: Sequence[Delivery[Submit]]) -> None:
        """One insert for all; a batch that the database refuses is halved until only the guilty
        row fails (rule 17)."""
        try:
            ids = await self.store.submit([one.message.submission for one in batch], self.now())
        except BadInput as refusal:
            if len(batch) > 1:
                await self._record(batch[: len(batch) // 2])
                await self._record(batch[len(batch) // 2 :])
            else:
                _answer(batch, [refusal])
        except StoreUnavailable as outage:
            _answer(batch, [outage] * len(batch))
        else:
            _answer(batch, ids)
            self.wake()


def _answer(batch: Sequence[Delivery[Submit]], answers: Sequence[int | Exception]) -> None:
    for delivery, answer in zip(batch, answers, strict=True):
        with delivery:
            delivery.reply(answer)
