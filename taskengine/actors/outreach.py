"""Outreach: calls many hosts at once, but each only a few times at once, so that a host that hangs
holds up no other. What came of the calls is recorded in batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import trio

from taskengine.messages import Wake
from taskengine.runtime.clock import Now, next_look
from taskengine.runtime.mailbox import Mailbox
from taskengine.store.ending import host_of


class Errand(Protocol):
    """Something to be said to a host, or asked."""

    @property
    def url(self) -> str: ...


E = TypeVar("E", bound=Errand)
R = TypeVar("R")
Due = tuple[Sequence[E], datetime | None]  # errands, and when the next is due


@dataclass(slots=True)
class Outreach(Generic[E, R]):
    """`claim` takes errands that are due, as many as are asked for, none to a host that is busy;
    `perform` gives what came of one; `record` writes what came of some."""

    at_once: int
    look: float  # seconds between looks without a hint, jittered
    now: Now
    claim: Callable[[int, Collection[str]], Awaitable[Due[E]]]
    perform: Callable[[E], Awaitable[R]]
    record: Callable[[Sequence[R]], Awaitable[None]]
    under_way: Counter[str] = field(default_factory=Counter, init=False)  # errands by host

    @property
    def busy(self) -> bool:
        return self.under_way.total() > 0

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        """Until the mailbox is closed and what is under way has been recorded. What waited when it
        was closed is claimed once more; no more is, however much there is."""
        send, done = trio.open_memory_channel[R](self.at_once)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._record, done, mailbox)
            with suppress(trio.EndOfChannel), send:
                while True:
                    await mailbox.collect(await self._start(nursery, send, mailbox))

    async def _start(
        self, nursery: trio.Nursery, done: trio.MemorySendChannel[R], mailbox: Mailbox[Wake]
    ) -> float:
        """Start what is due; how long to wait, in seconds, until the next look."""
        while (free := self.at_once - self.under_way.total()) > 0:
            last = mailbox.closing
            errands, next_due = await self.claim(free, list(self.under_way))
            for errand in errands:
                self.under_way[host_of(errand.url)] += 1
                nursery.start_soon(self._perform, errand, done.clone())
            if last or not errands:
                return next_look(self.look, next_due, self.now())
        return next_look(self.look, None, self.now())

    async def _perform(self, errand: E, done: trio.MemorySendChannel[R]) -> None:
        with done:
            try:
                result = await self.perform(errand)
            finally:
                host = host_of(errand.url)
                self.under_way[host] -= 1
                if not self.under_way[host]:
                    del self.under_way[host]
            await done.send(result)

    async def _record(self, done: trio.MemoryReceiveChannel[R], mailbox: Mailbox[Wake]) -> None:
        async for first in done:
            batch = [first]
            with suppress(trio.WouldBlock, trio.EndOfChannel):
                while True:
                    batch.append(done.receive_nowait())
            await self.record(batch)
            mailbox.address.hint(Wake())
