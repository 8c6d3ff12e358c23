"""Jobs of the workflow vodcapture, timed, and the same work by ffmpeg alone."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.jobs import Done, done_job
from bench.serving import Served
from taskengine.media.tools import bundled_tools


async def captured(
    served: Served, output: Path, name: str, clips: Sequence[dict[str, Any]], **more: object
) -> Done:
    """Post the job and see it to its end. Raises EngineFailed with its last lines."""
    return await done_job(served, "vodcapture", output, name, clips=clips, **more)


def copied(folder: Path, target: Path) -> float:
    """`ffmpeg -c copy` of all tracks of an archive's local segments; its seconds."""
    began = time.perf_counter()
    command = [bundled_tools().ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-y"]
    command += ["-allowed_extensions", "ALL", "-extension_picky", "0"]
    command += ["-i", str(folder / "archive.m3u8"), "-map", "0:v", "-map", "0:a:0"]
    subprocess.run([*command, "-c", "copy", str(target)], check=True)
    return time.perf_counter() - began
