"""Bodies of callbacks on their way: a large one is read once, for all the lanes that send it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from taskengine.model import Callback
from taskengine.store import Store

MAX_LARGE_BODIES = 16  # deliveries with large bodies, of all couriers


@dataclass(slots=True)
class _LargeBody:
    users: int = 0
    text: bytes | None = None
    reading: trio.Lock = field(default_factory=trio.Lock)


@dataclass(slots=True)
class Bodies:
    """Shared by the couriers of an instance. However many large bodies wait, few are at hand."""

    store: Store  # a patient one
    _room: trio.CapacityLimiter = field(
        default_factory=lambda: trio.CapacityLimiter(MAX_LARGE_BODIES), init=False
    )
    _large: dict[int, _LargeBody] = field(default_factory=dict, init=False)  # by event

    @asynccontextmanager
    async def of(self, callback: Callback) -> AsyncIterator[bytes]:
        """The body of a callback, for the length of the block. Raises NotFound."""
        if callback.body is not None:
            yield callback.body
            return
        async with self._room:
            body = self._large.setdefault(callback.event_id, _LargeBody())
            body.users += 1
            try:
                yield await self._read(callback.event_id, body)
            finally:
                body.users -= 1
                if not body.users:
                    del self._large[callback.event_id]

    async def _read(self, event_id: int, body: _LargeBody) -> bytes:
        async with body.reading:
            if body.text is None:
                body.text = await self.store.event_body(event_id)
        return body.text
