"""How the store in PostgreSQL runs its transactions, and waits out outages."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from itertools import chain, repeat
from typing import Any, TypeVar

import trio

from taskengine.meters import Meters
from taskengine.model import Blocked, HeldUp, Interrupted, StoreUnavailable, TooHeavy, TooSlow
from taskengine.store.postgres.connections import Connection, Pool, Transaction
from taskengine.store.postgres.rows import SQL

T = TypeVar("T")

LONGEST_PAUSE = 1.0  # second between tries while the database is away
LASTING = 1.0  # seconds; the pause from which on an outage is worth a line
CUTS = 2  # of a transaction one after the other, that show it as too heavy
LONGEST_ANSWER = 4.0  # seconds that who cannot wait is let wait, for a free connection too


@dataclass(slots=True)
class Runner:
    """An impatient one raises StoreUnavailable, in seconds; a patient one, for actors, waits until
    the database is back: all methods may be repeated. But a transaction that is too heavy is no
    outage, and would be too heavy again: where the caller can ask for less (`divisible`), it raises
    TooHeavy, and HeldUp where somebody holds a lock."""

    pool: Pool
    is_patient: bool = False
    _joined: list[int] = field(default_factory=list)  # as which instances; twins share it
    meters: Meters = field(default_factory=Meters)

    @property
    def writer(self) -> int:
        """Whose counters its changes go to; 0 before it has joined."""
        return self._joined[-1] if self._joined else 0

    async def _run(
        self, transaction: Transaction[T], *, single: bool = False, divisible: bool = False
    ) -> T:
        """The one place where transactions run and outages are waited out."""
        if not self.is_patient:
            return await self._answered(transaction, single)
        cuts, options = 0, {"lock_waits": 0} if divisible else {}
        for pause in _pauses():
            try:
                answer = await self._timed(transaction, single, **options)
            except StoreUnavailable as outage:
                if divisible and isinstance(outage, Blocked):
                    raise HeldUp(str(outage)) from outage
                cuts = cuts + 1 if isinstance(outage, Interrupted) else 0
                if divisible and (isinstance(outage, TooSlow) or cuts >= CUTS):
                    await self._check_weight(outage)
                self.pool.outages.met(outage, lasting=pause >= LASTING)
                await self.pool.outages.wait(pause * random.uniform(0.5, 1.0))
            else:
                self.pool.outages.over()
                return answer
        raise AssertionError("there is always another pause")

    async def _check_weight(self, cut: StoreUnavailable) -> None:
        """Raises TooHeavy where the database answers all else."""
        if await self.pool.answers():
            raise TooHeavy(str(cut)) from cut

    async def _answered(self, transaction: Transaction[T], single: bool) -> T:
        try:
            with trio.fail_after(LONGEST_ANSWER):
                answer = await self._timed(transaction, single)
        except trio.TooSlowError:
            raise TooSlow(f"no answer in {LONGEST_ANSWER:g} s") from None
        self.pool.outages.answered()
        return answer

    async def _timed(self, transaction: Transaction[T], single: bool, **options: int) -> T:
        name = getattr(transaction, "func", transaction).__name__
        start = trio.current_time()
        try:
            result = await self.pool.run(transaction, single=single, **options)
        except Exception:
            self.meters.store_errors.labels(name).inc()
            raise
        self.meters.store.labels(name).observe(trio.current_time() - start)
        return result

    async def _do(
        self,
        function: Callable[..., Awaitable[T]],
        *arguments: object,
        single: bool = False,
        divisible: bool = False,
    ) -> T:
        """A transaction with its arguments in their order."""

        @wraps(function)
        async def transaction(connection: Connection) -> T:
            return await function(connection, *arguments)

        return await self._run(transaction, single=single, divisible=divisible)

    async def _fetch(self, name: str, *arguments: object) -> Sequence[Mapping[str, Any]]:
        """A statement by itself."""

        async def fetch(connection: Connection) -> Sequence[Mapping[str, Any]]:
            rows: Sequence[Mapping[str, Any]] = await connection.fetch(SQL[name], *arguments)
            return rows

        fetch.__name__ = name
        return await self._run(fetch, single=True)


def _pauses() -> Iterator[float]:
    return chain((0.1, 0.2, 0.5, LASTING), repeat(LONGEST_PAUSE))
