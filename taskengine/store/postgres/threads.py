"""What takes long to compute between two statements is computed beside the loop, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from trio_asyncio import trio_as_aio

from taskengine.runtime import threads

T = TypeVar("T")


async def in_thread(function: Callable[[], T], size: int) -> T:
    """See runtime.threads; on asyncio's side."""
    if size <= threads.AT_ONCE:
        return function()
    result: T = await trio_as_aio(threads.in_thread)(function, size)
    return result
