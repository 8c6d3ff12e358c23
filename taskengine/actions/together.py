"""Doing the same for many things at once, on the processors that there are."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from taskengine.model import PermanentFailure
from taskengine.runtime.parallel import in_parallel

T = TypeVar("T")
AT_ONCE: Final = min(4, os.cpu_count() or 1)


async def together(jobs: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """Their results, in the order of the jobs. Raises what one of them raises."""
    async with unwrapped():
        return await in_parallel(jobs, AT_ONCE)


@asynccontextmanager
async def unwrapped() -> AsyncIterator[None]:
    """Lets the reason out of the groups of errors that nurseries make of it."""
    try:
        yield
    except BaseExceptionGroup as group:
        if (found := _reason(group)) is not None:
            raise found from None
        raise


def _reason(error: BaseException) -> PermanentFailure | None:
    if isinstance(error, BaseExceptionGroup):
        return next((one for part in error.exceptions if (one := _reason(part))), None)
    return error if isinstance(error, PermanentFailure) else None
