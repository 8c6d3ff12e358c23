"""Large documents: how many may be in memory at once, and who computes with them.

They take turns by client: one client's have one worker at a time, so that there is one for others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import trio

from taskengine.model import TaskEngineError
from taskengine.runtime.aside import Aside, at_once

T = TypeVar("T")

MAX_BYTES = 32 << 20  # bytes of large bodies that are in memory at once
SHARE = MAX_BYTES // 2  # of them for one client
READERS = ""  # in a client's place: all who read jobs together have one turn
REQUEST_DEADLINE = 30  # seconds to wait for room, and for a worker's answer


class Busy(TaskEngineError):
    """Large documents of others, or of the same client, take all there is for them."""


@dataclass(slots=True)
class Heavy:
    aside: Aside = at_once
    _taken: Counter[str] = field(default_factory=Counter)
    _freed: trio.Condition = field(default_factory=trio.Condition)
    _turns: dict[str, trio.Lock] = field(default_factory=dict)

    @asynccontextmanager
    async def room(self, client: str, size: int) -> AsyncIterator[None]:
        """Room for a client's bytes for the length of the block. Raises Busy."""
        with _patience():
            async with self._freed:
                while not self._has_room(client, size):
                    await self._freed.wait()
                self._taken[client] += size
        try:
            yield
        finally:
            self._taken[client] -= size
            self._taken += Counter()  # forgets those with none
            with trio.CancelScope(shield=True):
                async with self._freed:
                    self._freed.notify_all()

    def _has_room(self, client: str, size: int) -> bool:
        return self._taken.total() + size <= MAX_BYTES and self._taken[client] + size <= SHARE

    async def run(self, client: str, function: Callable[..., T], *args: Any) -> T:
        """Call it aside, when it is the client's turn. Raises Busy, WorkerEnded, and what the
        function raises."""
        turn = self._turns.setdefault(client, trio.Lock())
        with _patience():
            try:
                async with turn:
                    return await self.aside(function, *args)
            finally:
                if not turn.locked():
                    self._turns.pop(client, None)


@contextmanager
def _patience() -> Iterator[None]:
    try:
        with trio.fail_after(REQUEST_DEADLINE):
            yield
    except trio.TooSlowError:
        raise Busy from None
