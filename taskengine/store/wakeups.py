"""LISTEN and NOTIFY: hints between instances. Losing one costs latency, never correctness."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import suppress
from typing import Any

import trio
from trio_asyncio import aio_as_trio

from taskengine.model import StoreUnavailable
from taskengine.store.connections import AWAY, Connection, Pool

CHANNEL = "taskengine"
PROBE = 5.0  # seconds of silence after which the listening connection is tried


async def announce(connection: Connection, topics: Collection[str], origin: int) -> None:
    """Notify all instances but the one it comes from."""
    for topic in sorted(topics):
        await connection.execute("select pg_notify($1, $2)", CHANNEL, f"{origin}:{topic}")


async def listen(pool: Pool, own: Callable[[], int]) -> AsyncIterator[str]:
    """What other instances announce. Raises StoreUnavailable when the connection is lost."""
    send, receive = trio.open_memory_channel[str](64)

    def hear(connection: Connection, pid: int, channel: str, payload: str) -> None:
        origin, _, topic = payload.partition(":")
        with suppress(trio.WouldBlock, trio.BrokenResourceError):
            if origin != str(own()):
                send.send_nowait(topic)

    connection = await _ask(pool.connect)
    try:
        await _ask(connection.add_listener, CHANNEL, hear)
        while True:
            topic = None
            with trio.move_on_after(PROBE):
                topic = await receive.receive()
            if topic is None:
                await _ask(connection.execute, "select 1")
            else:
                yield topic
    finally:
        connection.terminate()


async def _ask(question: Callable[..., Any], *arguments: object) -> Any:
    try:
        return await aio_as_trio(question)(*arguments)
    except AWAY as error:
        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error
