"""Recorder: the one writer of an instance. Lines and ends leave in the order told, and with them
the newest progress of attempts.

All that waits becomes one transaction (rule 18), cut by what it weighs (rule 29). No job holds up
the others: a batch that the database refuses for its data is halved until only the guilty record is
left out (rule 17); jobs with large documents, and those of a batch that was too heavy or met a lock
of somebody else, are set aside, and written one by one between the batches of all others
(`deferred.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import trio

from taskengine.actors.batches import MAX_BATCH_WEIGHT, ROW_WEIGHT, split_by_weight
from taskengine.actors.deferred import DeferredByJob, DeferredRecords, RecordMail
from taskengine.actors.instance_state import InstanceState, Stopped
from taskengine.actors.progress import Progress
from taskengine.actors.wiring import Wiring
from taskengine.messages import Alert, Mail, Note, tell_nobody
from taskengine.meters import Meters
from taskengine.model import (
    BadInput,
    Began,
    Ended,
    HeldUp,
    JobEnd,
    JsonObject,
    Outcome,
    Record,
    Recorded,
    TaskEngineError,
    TooHeavy,
    Written,
)
from taskengine.runtime.clock import Now
from taskengine.runtime.mailbox import Envelope, Mailbox
from taskengine.store import Store
from taskengine.traces import Traces

logger = logging.getLogger(__name__)

MAX_BATCH = 500  # records
LARGE_RECORD = 512 << 10  # characters from which on a record is written by itself
CALLBACK_WEIGHT = 2 * ROW_WEIGHT  # for each URL, and each event
MAX_FAILURES = 3  # times that one record alone is too heavy until an end that says less is written
UNSTORABLE = "what the action returned cannot be stored"
UNTELLABLE = "its end is too heavy to be written"


@dataclass(slots=True)
class Recorder:
    store: Store
    state: InstanceState
    now: Now
    spread: Callable[[Recorded], None]
    progress: Progress = field(default_factory=Progress)
    meters: Meters = field(default_factory=Meters)
    traces: Traces = field(default_factory=Traces)
    alert: Callable[[Alert], None] = tell_nobody
    _deferred: DeferredByJob = field(default_factory=DeferredByJob, init=False)

    @classmethod
    def of(cls, wiring: Wiring) -> Recorder:
        resources, spread = wiring.resources, wiring.mailboxes.announce_records
        given = (resources.patient, wiring.state, resources.now, spread, wiring.progress)
        return cls(*given, resources.meters, resources.traces, wiring.alert)

    async def run(self, mailbox: Mailbox[Mail]) -> None:
        self._deferred = DeferredByJob()
        with self._deferred, suppress(trio.EndOfChannel):
            while True:
                batch = await self._collect(mailbox)
                for part in split_by_weight(batch, self._share):
                    await self._write(part)
                if deferred := self._deferred.next_due():
                    await self._write_deferred(deferred)

    async def _collect(self, mailbox: Mailbox[Mail]) -> Sequence[RecordMail]:
        """New mail, as soon as there is some or deferred records are due, and due progress."""
        pause = self._deferred.pause
        if mailbox.closing and not len(mailbox) and self._deferred:
            await trio.sleep(pause)
            return []
        batch: Sequence[Envelope[Mail]] = []
        if pause := min(pause, self.progress.patience):
            batch = await mailbox.collect(pause, MAX_BATCH)
        told = self._deferred.open(batch or mailbox.waiting(MAX_BATCH))
        return [*self._progress(), *told]

    def _progress(self) -> Iterator[RecordMail]:
        """Due progress. Where a job's records wait, it waits too: deferred records do not grow."""
        for one in self.progress.take_due():
            if one.fence.job_id in self._deferred:
                self.progress.keep(one)
            else:
                yield Note(one)

    def _share(self, mail: RecordMail) -> int:
        """What it takes of a part; a large record is a part of its own."""
        weight = self._weight(mail.record)
        return MAX_BATCH_WEIGHT + 1 if weight > LARGE_RECORD else weight

    def _weight(self, record: Record) -> int:
        """What its transaction writes, at most: an attempt's end may be its job's."""
        running = self.state.running.get(record.fence)
        lanes, size = (running.lanes, running.size) if running else (0, 0)
        match record:
            case Written():
                return len(record.message)
            case Began():
                return lanes * CALLBACK_WEIGHT
            case Ended():
                told = size + 2 * lanes * CALLBACK_WEIGHT if lanes else 0
                return told + len(record.result or "") + len(record.extras)
        return 0

    async def _write(self, mail: Sequence[RecordMail]) -> None:
        """Write a part of a batch, but for mail that waits behind deferred records of its job; if
        it is refused, one half after the other."""
        is_large = self._weight(mail[0].record) > LARGE_RECORD
        mail = [one for one in mail if not self._deferred.take(one, _job(one), start=is_large)]
        if not mail:
            return
        try:
            recorded = await self._record(mail)
        except TooHeavy as error:
            logger.warning("a batch of %d records is split: %s", len(mail), error)
            for one in mail:
                self._deferred.take(one, _job(one), start=True)
        except BadInput as refusal:
            await self._halve(mail, refusal)
        else:
            self._answer(mail, recorded)

    async def _halve(self, mail: Sequence[RecordMail], refusal: BadInput) -> None:
        middle = len(mail) // 2
        if middle:
            await self._write(mail[:middle])
            await self._write(mail[middle:])
            return
        [guilty] = mail
        self._deferred.take(guilty, _job(guilty), start=True)  # alone on it
        self._replace_first(self._deferred[_job(guilty)], refusal, _storable)

    async def _record(self, mail: Sequence[RecordMail], **options: bool) -> Recorded:
        records = [one.record for one in mail]
        return await self.store.record(self.state.instance, records, self.now(), **options)

    def _answer(self, mail: Sequence[RecordMail], recorded: Recorded) -> None:
        self.spread(recorded)
        for end in recorded.ends:
            self.meters.job_ended(end)
            self.traces.job_ended(end, self.now())
            if end.failed:
                told = f"job {end.id} has failed: workflow {end.workflow} of client {end.client}"
                logger.info(told, extra=_figures(end))
                self.alert(Alert("job_failed", told, end.id, end.workflow, end.client))
        self.state.stop(recorded.stale, Stopped.STALE)
        for one in mail:
            self._deferred.close(one)

    # Deferred records

    async def _write_deferred(self, deferred: DeferredRecords) -> None:
        """Write the next records of one job. Nobody is waited for: others come first."""
        mail = deferred.mail[: deferred.limit]
        try:
            recorded = await self._record(mail, wait=False)
        except HeldUp as lock:
            if deferred.put_off():
                logger.warning("records of job %d wait for a lock: %s", deferred.job_id, lock)
        except TooHeavy as error:
            await self._lighten(deferred, error)
        except BadInput as refusal:
            if not deferred.shorten():
                self._replace_first(deferred, refusal, _storable)
        else:
            self._deferred.release(deferred, len(mail))
            self._answer(mail, recorded)

    async def _lighten(self, deferred: DeferredRecords, error: TooHeavy) -> None:
        """Fewer records the next time; one alone is written with less to say, where it is certain
        that the database takes all else."""
        if deferred.shorten():
            return
        deferred.put_off()
        with suppress(TooHeavy):
            await self._record([])
            deferred.failures += 1
        if deferred.failures == MAX_FAILURES:
            deferred.failures = 0
            self._replace_first(deferred, error, _lighter)

    def _replace_first(
        self,
        deferred: DeferredRecords,
        why: TaskEngineError,
        instead: Callable[[Record], Ended | None],
    ) -> None:
        """An attempt's end is never left out, but may say less; other records are."""
        first = deferred.mail[0]
        record = first.record
        logger.error("a record of task %d cannot be written: %s", record.fence.task_id, why)
        if end := instead(record):
            deferred.mail[0] = replace(first, record=end)
        elif not isinstance(record, Ended):
            self._deferred.release(deferred, 1)
            self._answer([first], Recorded())
        else:
            deferred.put_off()


def _job(mail: RecordMail) -> int:
    return mail.record.fence.job_id


def _storable(record: Record) -> Ended | None:
    """The end to write in the place of one that the database refuses: what is wrong is in the
    callback that tells of it, or in its result. The last one is tried for ever."""
    if not isinstance(record, Ended):
        return None
    if not record.terse:
        return replace(record, terse=True, extras="")
    if record.error == UNSTORABLE:
        return None
    return replace(
        record, outcome=Outcome.FAILED, result=None, error=UNSTORABLE, terse=False, extras=""
    )


def _lighter(record: Record) -> Ended | None:
    """The end to write in the place of one that is too heavy. The last one is tried for ever."""
    if not isinstance(record, Ended) or record.error == UNTELLABLE:
        return None
    if not record.terse:
        return replace(record, terse=True, extras="")
    return replace(record, outcome=Outcome.FAILED, result=None, error=UNTELLABLE)


def _figures(end: JobEnd) -> JsonObject:
    """What a line of JSON has besides."""
    told = {"job": end.id, "workflow": end.workflow, "client": end.client, "seconds": end.seconds}
    return {"figures": told}
