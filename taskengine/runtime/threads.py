"""What takes long to compute is computed beside the loop that all share (rule 29)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio

T = TypeVar("T")

AT_ONCE = 65_536  # characters of JSON that are handled on the loop: some milliseconds
# One after the other: a document takes twenty times its size while it is at hand, and each thread
# more makes the loop wait for its turn.
TURNS = trio.CapacityLimiter(1)


async def in_thread(function: Callable[[], T], size: int) -> T:
    """Its result, computed in a thread where it handles more than a little."""
    if size <= AT_ONCE:
        return function()
    return await trio.to_thread.run_sync(function, limiter=TURNS)
