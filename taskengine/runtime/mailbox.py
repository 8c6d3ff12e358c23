"""Mailboxes: bounded memory channels whose messages may carry a reply slot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

import trio

M = TypeVar("M")
R = TypeVar("R")


class ActorGone(Exception):
    """The actor stopped, or crashed before it answered."""


class Ask(Generic[R]):
    """Base of the messages that expect an answer of type R."""


@dataclass(frozen=True, slots=True)
class Envelope(Generic[M]):
    """A message in a mailbox, with the reply slot of its asker.

    Use it as a context manager: leaving the block closes the reply slot, so that an asker learns
    of a crash at once instead of waiting out its deadline.
    """

    message: M
    slot: trio.MemorySendChannel[object] | None = None

    @property
    def awaited(self) -> bool:
        """False once its asker has given up."""
        return self.slot is None or self.slot.statistics().open_receive_channels > 0

    def reply(self, answer: object) -> None:
        """Answer the asker, unless there is none or it gave up."""
        if self.slot is not None:
            with suppress(trio.BrokenResourceError, trio.WouldBlock):
                self.slot.send_nowait(answer)

    def __enter__(self) -> M:
        return self.message

    def __exit__(self, *_: object) -> None:
        if self.slot is not None:
            self.slot.close()


class Address(Generic[M]):
    """The sending end: all that one actor knows of another."""

    def __init__(self, send: trio.MemorySendChannel[Envelope[M]]) -> None:
        self._send = send

    async def tell(self, message: M) -> None:
        """Queue a message, waiting while the mailbox is full, and only then: it is no checkpoint
        while there is room."""
        try:
            await self._put(Envelope(message))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise ActorGone from None

    def hint(self, message: M) -> None:
        """Queue a message unless the mailbox is full or closed: for mail that may be lost."""
        with suppress(trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
            self._send.send_nowait(Envelope(message))

    async def ask(self, message: Ask[R]) -> R:
        """Send a message and wait for its answer; callers bound it with trio.fail_after()."""
        slot, answer = trio.open_memory_channel[R](1)
        with answer:
            try:
                await self._put(Envelope(message, slot))  # type: ignore[arg-type]
                return await answer.receive()
            except (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError):
                raise ActorGone from None

    async def ask_all(self, messages: Sequence[Ask[R]]) -> list[R]:
        """Send messages in order, then await their answers; for actors that answer late."""
        slots = [trio.open_memory_channel[R](1) for _ in messages]
        try:
            for message, (slot, _) in zip(messages, slots, strict=True):
                await self._put(Envelope(message, slot))  # type: ignore[arg-type]
            return [await answer.receive() for _, answer in slots]
        except (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError):
            raise ActorGone from None
        finally:
            for _, answer in slots:
                answer.close()

    async def _put(self, envelope: Envelope[M]) -> None:
        """A message that finds room costs no turn of the loop."""
        try:
            self._send.send_nowait(envelope)
        except trio.WouldBlock:
            await self._send.send(envelope)

    def close(self) -> None:
        """Say that no more mail comes: the actor handles what is queued and returns."""
        self._send.close()


class Mailbox(Generic[M]):
    """The receiving end. It belongs to the engine and outlives its actor's crashes.

    Leaving its block closes the reply slots of all that nobody will handle any more.
    """

    def __init__(self, size: float) -> None:
        send, self._receive = trio.open_memory_channel[Envelope[M]](size)
        self.address: Address[M] = Address(send)

    def __len__(self) -> int:
        return self._receive.statistics().current_buffer_used

    def __aiter__(self) -> AsyncIterator[Envelope[M]]:
        return self._receive.__aiter__()

    @property
    def closing(self) -> bool:
        """True once the address is closed: what is queued is all there will be."""
        return self._receive.statistics().open_send_channels == 0

    async def collect(self, patience: float, limit: int = 500) -> list[Envelope[M]]:
        """All that waits, up to a limit; after `patience` seconds without mail an empty list.

        Raises trio.EndOfChannel when the address is closed and all its mail was collected.
        """
        batch: list[Envelope[M]] = []
        with trio.move_on_after(patience):
            batch.append(await self._receive.receive())
        return batch + self.waiting(limit - 1) if batch else batch

    def waiting(self, limit: int) -> list[Envelope[M]]:
        """What waits now, up to a limit; the caller owes each of them its `with` block."""
        batch: list[Envelope[M]] = []
        with suppress(trio.WouldBlock, trio.EndOfChannel):
            while len(batch) < limit:
                batch.append(self._receive.receive_nowait())
        return batch

    def __enter__(self) -> Mailbox[M]:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(trio.WouldBlock, trio.EndOfChannel):
            while True:
                with self._receive.receive_nowait():
                    pass  # nobody will handle it: closing its slot tells the asker
        self._receive.close()
