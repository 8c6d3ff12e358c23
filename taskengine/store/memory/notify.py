"""Wake-ups between the engines that share a store in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import suppress

import trio

from taskengine.store.memory.tables import Tables


def announce(tables: Tables, topics: Collection[str]) -> None:
    """See Store.announce."""
    for listener in tables.listeners:
        for topic in topics:
            with suppress(trio.WouldBlock):
                listener.send_nowait(topic)


async def listen(tables: Tables) -> AsyncIterator[str]:
    """See Store.listen."""
    send, receive = trio.open_memory_channel[str](64)
    tables.listeners.add(send)
    try:
        async for topic in receive:
            yield topic
    finally:
        tables.listeners.discard(send)
