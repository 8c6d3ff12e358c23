"""Journal: the one writer of an instance. Lines, progress and ends leave in the order told.

All that waits becomes one transaction (rule 18); a batch that the database refuses for its data
is halved until only the guilty record is left out (rule 17).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace

import trio

from taskengine.actors.batches import parts
from taskengine.actors.roster import Roster, Stopped
from taskengine.messages import Finish, Note
from taskengine.model import BadInput, Ended, Fence, Outcome, Record, Recorded, Written
from taskengine.runtime.clock import Now
from taskengine.runtime.mailbox import Delivery, Mailbox
from taskengine.store import Store

logger = logging.getLogger(__name__)

PATIENCE = 3600.0  # seconds; there is nothing to look for
UNSTORABLE = "what the action returned cannot be stored"


@dataclass(slots=True)
class Journal:
    store: Store
    roster: Roster
    now: Now
    spread: Callable[[Recorded], None]

    async def run(self, mailbox: Mailbox[Note | Finish]) -> None:
        with suppress(trio.EndOfChannel):
            while True:
                await self._write(await mailbox.collect(PATIENCE))

    async def _write(self, batch: Sequence[Delivery[Note | Finish]]) -> None:
        with ExitStack() as slots:
            records = [slots.enter_context(delivery).record for delivery in batch]
            stale: frozenset[Fence] = frozenset()
            for part in parts(records, _weight):
                stale |= await self._record(part)
            self.roster.stop(stale, Stopped.STALE)
            for delivery, record in zip(batch, records, strict=True):
                delivery.reply(record.fence not in stale)

    async def _record(self, records: Sequence[Record]) -> frozenset[Fence]:
        try:
            recorded = await self.store.record(self.roster.instance, records, self.now())
        except BadInput as refusal:
            return await self._halve(records, refusal)
        self.spread(recorded)
        return recorded.stale

    async def _halve(self, records: Sequence[Record], refusal: BadInput) -> frozenset[Fence]:
        middle = len(records) // 2
        if middle:
            first = await self._record(records[:middle])
            return first | await self._record(records[middle:])
        [guilty] = records
        logger.error("a record of task %d is refused: %s", guilty.fence.task_id, refusal)
        if not isinstance(guilty, Ended) or guilty.error == UNSTORABLE:
            return frozenset()
        failed = replace(guilty, outcome=Outcome.FAILED, result=None, error=UNSTORABLE)
        return await self._record([failed])


def _weight(record: Record) -> int:
    match record:
        case Written():
            return len(record.message)
        case Ended():
            return len(record.result or "")
    return 0
