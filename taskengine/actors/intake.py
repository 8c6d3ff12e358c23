"""Intake: concurrent submissions share one insert, each answered after the commit that holds it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import trio

from taskengine.actors.batches import MAX_BATCH_WEIGHT, ROW_WEIGHT, split_by_weight
from taskengine.actors.wiring import Wiring
from taskengine.messages import SenderChanged, Submit, Topic
from taskengine.model import (
    BadInput,
    Interrupted,
    OutcomeUnknown,
    StoreUnavailable,
    Submission,
    TooSlow,
)
from taskengine.runtime.clock import Now
from taskengine.runtime.mailbox import Envelope, Mailbox
from taskengine.store import Store

logger = logging.getLogger(__name__)

BATCH_DEADLINE = 4.0  # seconds for a batch: its clients are answered within 5
MAX_BATCH = 500  # submissions in one insert
ROWS_OF_A_JOB = 5
MIN_BATCH_WEIGHT = 64 << 10  # characters; no smaller batches are made
RETRY_PAUSE = 0.1  # seconds before a batch with an unknown outcome is repeated


@dataclass(slots=True)
class Intake:
    """Answers a Submit with the job's id, BadInput, or StoreUnavailable."""

    store: Store  # an impatient one: a client waits
    now: Now
    wake: Callable[[], None]  # there are new jobs
    wake_scheduler: Callable[[], None] = lambda: None  # some of them wait for a time or a gate
    _heaviest: int = field(
        default=MAX_BATCH_WEIGHT, init=False
    )  # of one insert, as the database takes it

    @classmethod
    def of(cls, wiring: Wiring) -> Intake:
        resources, announce = wiring.resources, wiring.announce
        wakes = (announce(Topic.ADMISSION), announce(Topic.SCHEDULE))
        return cls(resources.store, resources.now, *wakes)

    async def run(self, mailbox: Mailbox[Submit]) -> None:
        async for first in mailbox:
            waiting: Sequence[Envelope[Submit]] = [first]
            try:
                while waiting:
                    waiting = [*waiting, *mailbox.waiting(limit=MAX_BATCH - len(waiting))]
                    batch, rest = _next_batch(waiting, self._heaviest)
                    await self._record(batch)
                    waiting = rest
            finally:  # of a crash too: those in hand are told at once
                for envelope in waiting:
                    with envelope:
                        pass

    async def _record(self, batch: Sequence[Envelope[Submit]]) -> None:
        """One insert for all; a batch that the database refuses is halved until only the guilty
        row fails (rule 17)."""
        batch = _awaited(batch)
        if not batch:
            return
        try:
            with trio.fail_after(BATCH_DEADLINE):
                batch = await self._of_known_senders(batch)
                ids = await self._submit([one.message.submission for one in batch])
        except BadInput as refusal:
            if len(batch) > 1:
                await self._record(batch[: len(batch) // 2])
                await self._record(batch[len(batch) // 2 :])
            else:
                _answer(batch, [refusal])
        except (StoreUnavailable, trio.TooSlowError) as outage:
            self._lighten(batch, outage)
            _answer(batch, [StoreUnavailable(str(outage) or "no answer in time")] * len(batch))
        else:
            _answer(batch, ids)
            self._heaviest = min(2 * self._heaviest, MAX_BATCH_WEIGHT)
            self.wake()
            if any(_may_wait(one.message.submission) for one in batch):
                self.wake_scheduler()

    async def _of_known_senders(
        self, batch: Sequence[Envelope[Submit]]
    ) -> Sequence[Envelope[Submit]]:
        """Those whose senders are what they were when they were let in; the others are told."""
        given = {one.message.sender.name for one in batch if one.message.sender}
        if not given:
            return batch
        now = {client.name: client for client in await self.store.clients_named(given)}
        changed = [
            one
            for one in batch
            if (sender := one.message.sender) and now.get(sender.name) != sender
        ]
        _answer(changed, [SenderChanged()] * len(changed))
        return [one for one in batch if one not in changed] if changed else batch

    def _lighten(self, batch: Sequence[Envelope[Submit]], outage: Exception) -> None:
        """The clients of a batch that was too heavy have no time left for a second try; when they
        come again, they are taken in smaller batches."""
        if len(batch) > 1 and isinstance(outage, TooSlow | Interrupted | trio.TooSlowError):
            self._heaviest = max(sum(map(_weight, batch)) // 2, MIN_BATCH_WEIGHT)
            logger.warning("%d submissions at once took too long: %s", len(batch), outage)

    async def _submit(self, submissions: Sequence[Submission]) -> Sequence[int]:
        """Repeat a batch as long as nobody knows whether it was committed: what was recorded keeps
        its id, and no client is told of an outage whose job was made (rule 4)."""
        is_unknown = False
        while submissions:
            try:
                return await self.store.submit(submissions, self.now())
            except OutcomeUnknown:
                is_unknown = True
            except StoreUnavailable:
                if not is_unknown:
                    raise
            await trio.sleep(RETRY_PAUSE)
        return []


def _may_wait(one: Submission) -> bool:
    """Whether it concerns the scheduler and the gatekeeper, as few jobs do."""
    return one.run_at is not None or bool(one.semaphore_url)


def _next_batch(
    waiting: Sequence[Envelope[Submit]], heaviest: int
) -> tuple[Sequence[Envelope[Submit]], Sequence[Envelope[Submit]]]:
    """What one insert takes, and the rest. Where there is one, clients take turns, so that the
    large submissions of one hold up no other (rule 17)."""
    if sum(map(_weight, waiting)) <= heaviest:
        return waiting, []
    ordered = _in_turns(waiting)
    batch = next(split_by_weight(ordered, _weight, heaviest))
    return batch, ordered[len(batch) :]


def _in_turns(waiting: Sequence[Envelope[Submit]]) -> Sequence[Envelope[Submit]]:
    """The first of each client, then the second of each, and so on."""
    taken: Counter[str] = Counter()
    turns = []
    for place, envelope in enumerate(waiting):
        client = envelope.message.submission.client
        turns.append((taken[client], place))
        taken[client] += 1
    return [waiting[place] for _, place in sorted(turns)]


def _weight(envelope: Envelope[Submit]) -> int:
    """What its transaction writes. The first log line has the complete body, which is kept twice
    besides: as it came, and completed."""
    one = envelope.message.submission
    text = sum(len(message) for _, _, message in one.lines)
    return 3 * text + ROW_WEIGHT * (len(one.urls) + len(one.depends_on) + ROWS_OF_A_JOB)


def _awaited(batch: Sequence[Envelope[Submit]]) -> Sequence[Envelope[Submit]]:
    """Those whose clients still wait; the others were told of an outage and submit again."""
    for envelope in batch:
        if not envelope.awaited:
            with envelope:
                logger.info("a submission is not recorded: its client has gone")
    return [envelope for envelope in batch if envelope.awaited]


def _answer(batch: Sequence[Envelope[Submit]], answers: Sequence[int | Exception]) -> None:
    for envelope, answer in zip(batch, answers, strict=True):
        with envelope:
            envelope.reply(answer)
