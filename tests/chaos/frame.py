"""What the commands have around a run: a folder for its logs, the time before each line, an end."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import trio_asyncio


class Judged(Protocol):
    @property
    def holds(self) -> bool: ...


F = TypeVar("F", bound=Judged)
Say = Callable[[str], None]


def run_and_tell(
    name: str, seed: int, run: Callable[[Path, Say], Awaitable[F]], tell: Callable[[F], None]
) -> int:
    """0: all that has to hold held; 1: it did not, and the logs are kept."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    folder.chmod(0o711)  # PostgreSQL may run as another user
    print(f"seed {seed}, logs in {folder}", flush=True)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    findings = trio_asyncio.run(partial(run, folder / "run", say))
    tell(findings)
    if findings.holds:
        shutil.rmtree(folder)
        return 0
    print(f"The logs are in {folder}.", file=sys.stderr)
    return 1
