"""What takes long to compute is computed beside the loop that all share (rule 29)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 65_536  # characters of JSON that are handled at once: some milliseconds


async def in_thread(function: Callable[[], T], size: int) -> T:
    """Its result, computed in a thread where it handles more than a little; on asyncio's side."""
    if size <= AT_ONCE:
        return function()
    return await asyncio.get_running_loop().run_in_executor(None, function)
