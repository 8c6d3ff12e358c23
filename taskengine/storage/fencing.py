"""The last question before a file appears: whether its writer may still publish (rule 6)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final

import trio

FenceCheck = Callable[[], Awaitable[None]]  # raises FenceMoved if the writer's attempt is over
unfenced: FenceCheck = trio.lowlevel.checkpoint

FRESH: Final = 1.0  # seconds; less than a lease, in which nobody else is given the task
MAX_QUESTIONS: Final = 10


async def pass_fence(fence: FenceCheck) -> None:
    """Ask until the answer is fresh: the process may have been stopped while it was on its way."""
    for _ in range(MAX_QUESTIONS):
        asked = time.clock_gettime(time.CLOCK_BOOTTIME)
        await fence()
        if time.clock_gettime(time.CLOCK_BOOTTIME) - asked < FRESH:
            return
    raise TimeoutError("the fence answers too late")
