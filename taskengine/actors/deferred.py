"""Deferred records: mail that is set aside, for each job in its order, while that of others goes
on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType

import trio

from taskengine.messages import Finish, Mail, Note, Wake
from taskengine.model import Ended, Fence
from taskengine.runtime.mailbox import Envelope

RecordMail = Note | Finish
FIRST_PAUSE, MAX_PAUSE = 0.1, 2.0  # seconds between two tries to write the records of a job
MAX_BATCH = 100  # records of a job that are written at once


@dataclass(slots=True)
class DeferredRecords:
    """The deferred mail of one job, in its order."""

    job_id: int
    mail: list[RecordMail] = field(default_factory=list)
    limit: int = MAX_BATCH  # of records in one transaction
    failures: int = 0  # of its first record alone
    due: float = 0.0  # on trio's clock
    _pause: float = 0.0

    def put_off(self) -> bool:
        """Wait longer each time. Returns whether to log it, which is not each time."""
        before = self._pause
        self._pause = min(before * 2 or FIRST_PAUSE, MAX_PAUSE)
        self.due = trio.current_time() + self._pause
        return not before or before < self._pause == MAX_PAUSE

    def shorten(self) -> bool:
        """Write half as many records the next time. Returns False if it was one."""
        number = min(self.limit, len(self.mail))
        self.limit = max(1, number // 2)
        return number > 1


class DeferredByJob:
    """The deferred mail of all jobs. Leaving the block settles all mail in hand, so that those who
    told it learn of a crash at once."""

    def __init__(self) -> None:
        self._deferred: dict[int, DeferredRecords] = {}
        self._open: dict[Fence | int, RecordMail] = {}

    def __bool__(self) -> bool:
        return bool(self._deferred)

    def __contains__(self, job_id: int) -> bool:
        return job_id in self._deferred

    def __getitem__(self, job_id: int) -> DeferredRecords:
        return self._deferred[job_id]

    @property
    def pause(self) -> float:
        """Seconds until a job's records are due."""
        first = min((deferred.due for deferred in self._deferred.values()), default=math.inf)
        return max(0.0, first - trio.current_time())

    def next_due(self) -> DeferredRecords | None:
        """The records that have been due for the longest time."""
        first = min(self._deferred.values(), key=lambda deferred: deferred.due, default=None)
        return first if first is not None and first.due <= trio.current_time() else None

    def take(self, mail: RecordMail, job_id: int, *, start: bool = False) -> bool:
        """Defer mail if other mail of its job is deferred, or if it is to `start` that. Returns
        whether it was deferred."""
        deferred = self._deferred.get(job_id)
        if deferred is None:
            if not start:
                return False
            deferred = self._deferred[job_id] = DeferredRecords(job_id, due=trio.current_time())
        deferred.mail.append(mail)
        return True

    def release(self, deferred: DeferredRecords, number: int) -> None:
        """The first `number` of its mail is handled; the rest waits for all other jobs' turn."""
        del deferred.mail[:number]
        deferred.due, deferred._pause = trio.current_time(), 0.0
        deferred.failures, deferred.limit = 0, MAX_BATCH
        if not deferred.mail:
            del self._deferred[deferred.job_id]

    def open(self, batch: Iterable[Envelope[Mail]]) -> list[RecordMail]:
        """Take mail in hand, but for wake-ups."""
        told = [one.message for one in batch if not isinstance(one.message, Wake)]
        self._open |= {_key(one): one for one in told}
        return told

    def close(self, mail: RecordMail) -> None:
        """Mail is handled."""
        self._open.pop(_key(mail), None)
        _settle(mail, is_written=True)

    def __enter__(self) -> DeferredByJob:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for mail in self._open.values():
            _settle(mail, is_written=False)


def _key(mail: RecordMail) -> Fence | int:
    """An identity that stays when an end is replaced."""
    record = mail.record
    return record.fence if isinstance(record, Ended) else id(record)


def _settle(mail: RecordMail, *, is_written: bool) -> None:
    """Mail is written, or given up."""
    if isinstance(mail, Finish):
        mail.settled(is_written)
    else:
        mail.settled()
