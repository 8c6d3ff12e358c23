"""Piles: mail that is set aside, for each job in its order, while that of others goes on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType

import trio

from taskengine.messages import Finish, Mail, Note, Wake
from taskengine.runtime.mailbox import Delivery

Told = Delivery[Note | Finish]

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between two tries of a pile that is put off
BATCH = 100  # records of a pile that are written at once


@dataclass(slots=True)
class Pile:
    """The mail of one job."""

    job_id: int
    mail: list[Told] = field(default_factory=list)
    limit: int = BATCH  # of records in one transaction
    failures: int = 0  # of its first record alone
    due: float = 0.0  # on trio's clock
    _pause: float = 0.0

    def put_off(self) -> bool:
        """Let it wait, longer each time; whether it is worth a line: not each time."""
        before = self._pause
        self._pause = min(before * 2 or FIRST_PAUSE, LONGEST_PAUSE)
        self.due = trio.current_time() + self._pause
        return not before or before < self._pause == LONGEST_PAUSE

    def shorten(self) -> bool:
        """Write half as many the next time; False where it was one."""
        number = min(self.limit, len(self.mail))
        self.limit = max(1, number // 2)
        return number > 1


class Piles:
    """Leaving its block settles all mail in hand: whoever waits learns of a crash at once."""

    def __init__(self) -> None:
        self._piles: dict[int, Pile] = {}
        self._open: dict[int, Told] = {}

    def __bool__(self) -> bool:
        return bool(self._piles)

    def __contains__(self, job_id: int) -> bool:
        return job_id in self._piles

    def __getitem__(self, job_id: int) -> Pile:
        return self._piles[job_id]

    @property
    def pause(self) -> float:
        """Seconds until a pile is due."""
        first = min((pile.due for pile in self._piles.values()), default=math.inf)
        return max(0.0, first - trio.current_time())

    def next_due(self) -> Pile | None:
        """The pile that has been due for the longest time."""
        first = min(self._piles.values(), key=lambda pile: pile.due, default=None)
        return first if first is not None and first.due <= trio.current_time() else None

    def take(self, mail: Told, job_id: int, *, start: bool = False) -> bool:
        """Lay mail on the pile of its job, if there is one, or it is to start one; whether it did.
        It was laid there once."""
        pile = self._piles.get(job_id)
        if pile is None:
            if not start:
                return False
            pile = self._piles[job_id] = Pile(job_id, due=trio.current_time())
        pile.mail.append(mail)
        return True

    def release(self, pile: Pile, number: int) -> None:
        """The first of a pile's mail is handled: the next comes when all other piles were."""
        del pile.mail[:number]
        pile.due, pile._pause = trio.current_time(), 0.0
        pile.failures, pile.limit = 0, BATCH
        if not pile.mail:
            del self._piles[pile.job_id]

    def open(self, batch: Iterable[Delivery[Mail]]) -> list[Told]:
        """Mail is in hand from now on, but for wake-ups."""
        told = [
            Delivery(one.message, one.slot) for one in batch if not isinstance(one.message, Wake)
        ]
        self._open |= {_key(one): one for one in told}
        return told

    def close(self, mail: Told, answer: object) -> None:
        """It is handled: its asker learns the answer."""
        self._open.pop(_key(mail), None)
        mail.reply(answer)
        _settle(mail)

    def __enter__(self) -> Piles:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for mail in self._open.values():
            _settle(mail)


def _key(mail: Told) -> int:
    """What stays the same where an end is replaced."""
    return id(mail.slot) if isinstance(mail.message, Finish) else id(mail.message)


def _settle(mail: Told) -> None:
    """It is written, or given up."""
    with mail as message:
        if isinstance(message, Note):
            message.settled()
