"""Asking several things at the same time: a page then waits as long as for the slowest few."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import trio

AT_ONCE: Final = 4  # connections to the database that one page may have: others want some too


async def answers(**questions: Callable[[], Awaitable[Any]]) -> dict[str, Any]:
    """What each is answered, by its name. Raises ExceptionGroup of what failed."""
    found: dict[str, Any] = {}
    limit = trio.CapacityLimiter(AT_ONCE)

    async def ask(name: str) -> None:
        async with limit:
            found[name] = await questions[name]()

    async with trio.open_nursery() as nursery:
        for name in questions:
            nursery.start_soon(ask, name)
    return found
