"""Actions for anybody's workflows, and for tests: to do nothing, to wait, to fail."""

from __future__ import annotations

import trio

from taskengine.actions import Context, action
from taskengine.model import JsonObject, TaskEngineError

PERIOD = 1.0  # seconds between two reports of progress


class FailedAsAsked(TaskEngineError):
    """What core.fail was told to do; another try may succeed."""


@action("core.noop")
async def noop(context: Context) -> None:
    """Do nothing."""


@action("core.sleep")
async def sleep(context: Context, *, seconds: float) -> None:
    """Wait for some seconds, with progress."""
    start = trio.current_time()
    while (now := trio.current_time()) < start + seconds:
        await trio.sleep_until(min(now + PERIOD, start + seconds))
        await context.progress((trio.current_time() - start) / seconds)


@action("core.fail")
async def fail(
    context: Context, *, message: str = "failed as asked", times: int | None = None
) -> JsonObject:
    """Fail that many attempts, then succeed; without `times` fail them all."""
    failures = context.attempt.task.failures
    if times is None or failures < times:
        raise FailedAsAsked(message)
    return {"failures": failures}
