"""An action of another package, whose child records that it runs; see tests/chaos/recording.py."""

from __future__ import annotations

import sys
from pathlib import Path

from taskengine.actions import Context, action
from taskengine.model import JsonObject

CHILD = Path(__file__).with_name("recording_child.py")
FILES = 3


@action("recording.record")
async def record(context: Context, *, log: str, seconds: float, ways: list[str]) -> JsonObject:
    """Run the child, then publish files that bear the attempt in their names."""
    fence = context.attempt.fence
    names = [str(part) for part in (fence.job_id, fence.task_id, fence.attempt)]
    await context.run([sys.executable, str(CHILD), log, "-".join(names), str(seconds), *ways])
    folder = await context.open_folder("local", "output_root", f"record/{fence.job_id}")
    for number in range(FILES):
        path = context.scratch / str(number)
        path.write_text("x")
        await folder.put(path, "-".join([*names, str(number)]))
    return {"files": FILES}
