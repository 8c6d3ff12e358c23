"""Calls to many hosts at once, but to each only a few at once: a host that hangs holds up no other.
The results of calls are recorded in batches."""

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
from taskengine.store.completion import host_of


class OutboundCall(Protocol):
    """Something to be sent to a host, or asked of it."""

    @property
    def url(self) -> str: ...


E = TypeVar("E", bound=OutboundCall)
R = TypeVar("R")
Due = tuple[Sequence[E], datetime | None]  # calls, and when the next is due


@dataclass(slots=True)
class PerHostDispatcher(Generic[E, R]):
    """`claim` takes calls that are due, as many as are asked for, none to a host that is busy;
    `perform` returns the result of one call; `record` stores a batch of results."""

    at_once: int
    look: float  # seconds between looks without a hint, jittered
    now: Now
    claim: Callable[[int, Collection[str]], Awaitable[Due[E]]]
    perform: Callable[[E], Awaitable[R]]
    record: Callable[[Sequence[R]], Awaitable[None]]
    under_way: Counter[str] = field(default_factory=Counter, init=False)  # calls by host

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
            calls, next_due = await self.claim(free, list(self.under_way))
            for call in calls:
                self.under_way[host_of(call.url)] += 1
                nursery.start_soon(self._perform, call, done.clone())
            if last or not calls:
                return next_look(self.look, next_due, self.now())
        return next_look(self.look, None, self.now())

    async def _perform(self, call: E, done: trio.MemorySendChannel[R]) -> None:
        with done:
            try:
                result = await self.perform(call)
            finally:
                host = host_of(call.url)
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
