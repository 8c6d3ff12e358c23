"""Journal: the one writer of an instance. Lines and ends leave in the order told, and with them the
newest progress of attempts.

All that waits becomes one transaction (rule 18); a batch that the database refuses for its data
is halved until only the guilty record is left out (rule 17).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

import trio

from taskengine.actors.batches import characters, parts
from taskengine.actors.progress import Progress
from taskengine.actors.roster import Roster, Stopped
from taskengine.messages import Mail, Note, Wake
from taskengine.model import BadInput, Ended, Fence, Outcome, Record, Recorded, Written
from taskengine.runtime.clock import Now
from taskengine.runtime.mailbox import Delivery, Mailbox
from taskengine.store import Store

logger = logging.getLogger(__name__)

PATIENCE = 3600.0  # seconds; there is nothing to look for
ROOM = 500  # records of a batch, but for progress
UNSTORABLE = "what the action returned cannot be stored"


@dataclass(slots=True)
class Journal:
    store: Store
    roster: Roster
    now: Now
    spread: Callable[[Recorded], None]
    progress: Progress = field(default_factory=Progress)

    async def run(self, mailbox: Mailbox[Mail]) -> None:
        with suppress(trio.EndOfChannel):
            while True:
                patience = min(PATIENCE, self.progress.patience)
                await self._write(await mailbox.collect(patience) or mailbox.waiting(ROOM))

    async def _write(self, batch: Sequence[Delivery[Mail]]) -> None:
        with ExitStack() as slots:
            told = [(one, slots.enter_context(one)) for one in batch]
            mail = [(one, message) for one, message in told if not isinstance(message, Wake)]
            for _, message in mail:
                if isinstance(message, Note):
                    slots.callback(message.settled)
            stale: frozenset[Fence] = frozenset()
            records = [*self.progress.take_due(), *(message.record for _, message in mail)]
            for part in parts(records, _weight):
                stale |= await self._record(part)
            self.roster.stop(stale, Stopped.STALE)
            for delivery, message in mail:
                delivery.reply(message.record.fence not in stale)

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
        substitute = _substitute(guilty)
        return await self._record([substitute]) if substitute else frozenset()


def _substitute(refused: Record) -> Ended | None:
    """What is written in the place of a record that the store refuses: an end always is, or its
    task would run again. What is wrong is in the callbacks that tell of it, or in its result."""
    if not isinstance(refused, Ended):
        return None
    if not refused.mute:
        return replace(refused, mute=True)
    if refused.error == UNSTORABLE:
        return None
    return replace(refused, outcome=Outcome.FAILED, result=None, error=UNSTORABLE, mute=False)


def _weight(record: Record) -> int:
    match record:
        case Written():
            return len(record.message)
        case Ended():
            return characters(record.result)
    return 0
