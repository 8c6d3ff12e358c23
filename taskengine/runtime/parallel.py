"""Doing several things side by side, a few at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import trio

T = TypeVar("T")


async def in_parallel(calls: Iterable[Callable[[], Awaitable[T]]], at_once: int) -> list[T]:
    """What each call gives, in the order of the calls. Raises ExceptionGroup of what failed."""
    wanted = list(calls)
    found: dict[int, T] = {}
    limit = trio.CapacityLimiter(at_once)

    async def do(place: int) -> None:
        async with limit:
            found[place] = await wanted[place]()

    async with trio.open_nursery() as nursery:
        for place in range(len(wanted)):
            nursery.start_soon(do, place)
    return [found[place] for place in range(len(wanted))]
