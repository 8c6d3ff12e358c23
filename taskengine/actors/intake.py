"""Intake: concurrent submissions share one insert, each answered after the commit that holds it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from taskengine.actors.batches import HEAVIEST, parts
from taskengine.messages import Submit
from taskengine.model import BadInput, OutcomeUnknown, StoreUnavailable, Submission
from taskengine.runtime.clock import Now
from taskengine.runtime.mailbox import Delivery, Mailbox
from taskengine.store import Store

logger = logging.getLogger(__name__)

SETTLING = 4.0  # seconds for a batch: its clients are answered within 5
ROWS = 500  # submissions in one insert
AGAIN = 0.1  # seconds before a batch with an unknown outcome is repeated


@dataclass(slots=True)
class Intake:
    """Answers a Submit with the job's id, BadInput, or StoreUnavailable."""

    store: Store  # an impatient one: a client waits
    now: Now
    wake: Callable[[], None]  # there are new jobs

    async def run(self, mailbox: Mailbox[Submit]) -> None:
        async for first in mailbox:
            waiting: Sequence[Delivery[Submit]] = [first]
            try:
                while waiting:
                    waiting = [*waiting, *mailbox.waiting(limit=ROWS - len(waiting))]
                    batch, rest = _next_batch(waiting)
                    await self._record(batch)
                    waiting = rest
            finally:  # of a crash too: those in hand are told at once
                for delivery in waiting:
                    with delivery:
                        pass

    async def _record(self, batch: Sequence[Delivery[Submit]]) -> None:
        """One insert for all; a batch that the database refuses is halved until only the guilty
        row fails (rule 17)."""
        batch = _awaited(batch)
        if not batch:
            return
        try:
            with trio.fail_after(SETTLING):
                ids = await self._submit([one.message.submission for one in batch])
        except BadInput as refusal:
            if len(batch) > 1:
                await self._record(batch[: len(batch) // 2])
                await self._record(batch[len(batch) // 2 :])
            else:
                _answer(batch, [refusal])
        except (StoreUnavailable, trio.TooSlowError) as outage:
            _answer(batch, [StoreUnavailable(str(outage) or "no answer in time")] * len(batch))
        else:
            _answer(batch, ids)
            self.wake()

    async def _submit(self, submissions: Sequence[Submission]) -> Sequence[int]:
        """Repeat a batch as long as nobody knows whether it was committed: what was recorded keeps
        its id, and no client is told of an outage whose job was made (rule 4)."""
        is_unknown = False
        while True:
            try:
                return await self.store.submit(submissions, self.now())
            except OutcomeUnknown:
                is_unknown = True
            except StoreUnavailable:
                if not is_unknown:
                    raise
            await trio.sleep(AGAIN)


def _next_batch(
    waiting: Sequence[Delivery[Submit]],
) -> tuple[Sequence[Delivery[Submit]], Sequence[Delivery[Submit]]]:
    """What one insert takes, and the rest. Where there is one, clients take turns, so that the
    large submissions of one hold up no other (rule 17)."""
    if sum(map(_weight, waiting)) <= HEAVIEST:
        return waiting, []
    ordered = _in_turns(waiting)
    batch = next(parts(ordered, _weight))
    return batch, ordered[len(batch) :]


def _in_turns(waiting: Sequence[Delivery[Submit]]) -> Sequence[Delivery[Submit]]:
    """The first of each client, then the second of each, and so on."""
    taken: Counter[str] = Counter()
    turns = []
    for place, delivery in enumerate(waiting):
        client = delivery.message.submission.client
        turns.append((taken[client], place))
        taken[client] += 1
    return [waiting[place] for _, place in sorted(turns)]


def _weight(delivery: Delivery[Submit]) -> int:
    """Its first log line has the complete body."""
    return sum(len(message) for _, _, message in delivery.message.submission.lines)


def _awaited(batch: Sequence[Delivery[Submit]]) -> Sequence[Delivery[Submit]]:
    """Those whose clients still wait; the others were told of an outage and submit again."""
    for delivery in batch:
        if not delivery.awaited:
            with delivery:
                logger.info("a submission is not recorded: its client has gone")
    return [delivery for delivery in batch if delivery.awaited]


def _answer(batch: Sequence[Delivery[Submit]], answers: Sequence[int | Exception]) -> None:
    for delivery, answer in zip(batch, answers, strict=True):
        with delivery:
            delivery.reply(answer)
