"""Asking several things at the same time: a page then waits as long as for the slowest few."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from taskengine.runtime.parallel import in_parallel

AT_ONCE: Final = 4  # connections to the database that one page may have: others want some too


async def answers(**questions: Callable[[], Awaitable[Any]]) -> dict[str, Any]:
    """What each is answered, by its name. Raises ExceptionGroup of what failed."""
    return dict(zip(questions, await in_parallel(questions.values(), AT_ONCE), strict=True))
