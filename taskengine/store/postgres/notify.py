"""LISTEN and NOTIFY: hints between instances. Losing one costs latency, never correctness.

A listening connection is tried by a notification from another one: an open socket says nothing of
whether anything arrives on it, be it half-open or behind a pooler.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Any

import asyncpg
import trio
from trio_asyncio import aio_as_trio

from taskengine.model import StoreUnavailable
from taskengine.store import Deaf
from taskengine.store.postgres.connections import Connection, Pool
from taskengine.store.postgres.driver_errors import AWAY_ERRORS, LOCKED_OUT

CHANNEL = "taskengine"
PROBE = 3.0  # seconds of silence after which the listening connection is tried
ECHO = 2.0  # seconds in which the trial has to arrive
WAKE_PAUSE = 0.02  # seconds in which what is heard is heard once


async def announce(connection: Connection, topics: Collection[str], origin: object) -> None:
    """Notify all instances but the one it comes from."""
    for topic in sorted(topics):
        await connection.execute("select pg_notify($1, $2)", CHANNEL, f"{origin}:{topic}")


async def listen(pool: Pool, own: Callable[[], int]) -> AsyncIterator[str]:
    """What other instances announce. Raises StoreUnavailable when the connection is lost, Deaf
    where nothing arrives from the beginning."""
    ears = _Ears(own)
    connection = await _ask(pool.connect)
    try:
        await _ask(connection.add_listener, CHANNEL, ears.hear)
        await _try(pool, ears, Deaf)
        while True:
            with trio.move_on_after(PROBE) as silence:
                await ears.wait()
            if silence.cancelled_caught:
                await _try(pool, ears, StoreUnavailable)
            for topic in ears.heard():
                yield topic
            await trio.sleep(WAKE_PAUSE)
    finally:
        connection.terminate()


class _Ears:
    """What was heard and not yet told, each topic once."""

    def __init__(self, own: Callable[[], int]) -> None:
        self._own = own
        self._topics: set[str] = set()
        self._send, self._receive = trio.open_memory_channel[None](1)
        self.token = f"trial-{uuid.uuid4()}"

    def hear(self, connection: Connection, pid: int, channel: str, payload: str) -> None:
        """Called by the driver, in asyncio: it must not raise (rule 23)."""
        origin, _, topic = payload.partition(":")
        if origin in (str(self._own()), self.token):
            topic = ""  # only a sign of life
        self._topics.add(topic)
        with suppress(trio.WouldBlock, trio.BrokenResourceError):
            self._send.send_nowait(None)

    async def wait(self) -> None:
        await self._receive.receive()

    def heard(self) -> Collection[str]:
        topics, self._topics = self._topics, set()
        return sorted(topics - {""})


async def _try(pool: Pool, ears: _Ears, lost: type[StoreUnavailable]) -> None:
    """Say something on another connection, and wait for anything to arrive on this one."""
    with trio.move_on_after(ECHO):
        await pool.run(partial(announce, topics=["trial"], origin=ears.token), single=True)
        await ears.wait()
        return
    raise lost("no notification arrives")


async def _ask(question: Callable[..., Any], *arguments: object) -> Any:
    try:
        return await aio_as_trio(question)(*arguments)
    except (*AWAY_ERRORS, *LOCKED_OUT) as error:
        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error
    except asyncpg.PostgresError as error:
        raise Deaf(f"{type(error).__name__}: {error}") from error
