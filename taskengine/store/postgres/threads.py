"""What takes long to compute between two statements is computed beside the loop, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from taskengine.runtime.threads import AT_ONCE

T = TypeVar("T")

TURNS = ThreadPoolExecutor(1, "transaction")  # one after the other: see runtime.threads


async def in_thread(function: Callable[[], T], size: int) -> T:
    """See runtime.threads; on asyncio's side."""
    if size <= AT_ONCE:
        return function()
    return await asyncio.get_running_loop().run_in_executor(TURNS, function)
