"""The action of the chaos workflows: it leaves traces outside of the engine.

Loaded by the instances through the entry-point group `taskengine.actions`. Each line of the file
in CHAOS_EFFECTS is one effect of one attempt; a line is one write, which a kill cannot tear.
"""

import builtins
import json
import os
import time

import trio

from taskengine.actions import Context, action
from taskengine.actions.core import FailedAsAsked
from taskengine.model import JsonObject

BEGAN, PUBLISHED = "began", "published"
FILE = "CHAOS_EFFECTS"


@action("chaos.work")
async def work(
    context: Context, *, seconds: float = 0.0, failures: int = 0, child: bool = False
) -> JsonObject:
    """Wait, in a child process if so asked; fail that many times; publish at the end."""
    task = context.attempt.task
    _leave(context, BEGAN)
    await context.info(f"attempt {task.attempt} begins")
    await context.progress(0.5 + task.attempt / 1000)  # the auditor reads the attempt from it
    if child:
        await context.run(["sleep", str(seconds)])
    else:
        await trio.sleep(seconds)
    if task.failures < failures:
        raise FailedAsAsked(f"failure {task.failures + 1} of {failures}")
    await context.info(f"attempt {task.attempt} ends")
    await context.confirm()
    _leave(context, PUBLISHED)
    return {"task": task.id, "attempt": task.attempt}


class Untellable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("it has no words")


@action("chaos.poison")
async def poison(context: Context, *, kind: str) -> JsonObject:
    """Raise an exception that no action should raise."""
    await trio.lowlevel.checkpoint()
    raise Untellable if kind == "untellable" else getattr(builtins, kind)


def _leave(context: Context, kind: str) -> None:
    task = context.attempt.task
    trace = {
        "job": context.attempt.job.id,
        "task": task.id,
        "attempt": task.attempt,
        "kind": kind,
        "at": time.time(),
        "process": os.getpid(),
    }
    descriptor = os.open(os.environ[FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, (json.dumps(trace) + "\n").encode())
    finally:
        os.close(descriptor)
