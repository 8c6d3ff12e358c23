"""Counters in Redis or Valkey: a hash for each instance, gone soon after its instance."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import redis.asyncio
import trio
from redis.exceptions import RedisError
from trio_asyncio import aio_as_trio

from taskengine.counters import CountersUnavailable, QueueCount, QueueCounts, added_up
from taskengine.model import BadInput
from taskengine.texts import name_of, words_of

T = TypeVar("T")
KEY = "taskengine:instance:"
TIME_TO_LIVE = 5  # seconds; they are published every second
REQUEST_DEADLINE = 2.0  # seconds for an answer


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator[RedisCounters]:
    """Counters in the server at `url`; it is not asked for anything yet. Raises BadInput for what
    is no URL of one."""
    try:
        client = redis.asyncio.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=REQUEST_DEADLINE,
            socket_connect_timeout=REQUEST_DEADLINE,
        )
    except ValueError as error:
        raise BadInput(f"redis_url: {error}") from None
    try:
        yield RedisCounters(client)
    finally:
        with trio.move_on_after(REQUEST_DEADLINE, shield=True):
            await aio_as_trio(client.aclose)()


class RedisCounters:
    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    async def publish(self, instance: int, counts: QueueCounts) -> None:
        fields: dict[Any, Any] = {
            f"{queue}:{name}": getattr(count, name)
            for queue, count in counts.items()
            for name in count.__slots__
        }

        async def write() -> None:
            async with self._client.pipeline() as pipe:
                pipe.hset(KEY + str(instance), mapping=fields)
                pipe.expire(KEY + str(instance), TIME_TO_LIVE)
                await pipe.execute()

        await self._ask(write)

    async def withdraw(self, instance: int) -> None:
        await self._ask(lambda: self._client.delete(KEY + str(instance)))

    async def total(self) -> dict[str, QueueCount]:
        return added_up([_counts(fields) for fields in await self._ask(self._read)])

    async def _read(self) -> list[Any]:
        keys = [key async for key in self._client.scan_iter(KEY + "*")]
        return [await self._client.hgetall(key) for key in keys]

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """The one place where the server is asked and its errors become ours."""

        async def ask() -> T:
            return await question()

        try:
            with trio.fail_after(2 * REQUEST_DEADLINE):
                answer: T = await aio_as_trio(ask)()
                return answer
        except (OSError, RedisError, TimeoutError, trio.TooSlowError) as error:
            raise CountersUnavailable(words_of(error) or f"no answer ({name_of(error)})") from error


def _counts(fields: dict[str, str]) -> QueueCounts:
    """What this version knows of it: others, and other programs, may write there too."""
    counts: dict[str, dict[str, int]] = {}
    for field, value in fields.items():
        queue, _, name = field.rpartition(":")
        if name in QueueCount.__slots__ and value.isdecimal():
            counts.setdefault(queue, {})[name] = int(value)
    return {queue: QueueCount(**numbers) for queue, numbers in counts.items()}
