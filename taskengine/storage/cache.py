"""Large files of object storages that were fetched, kept on this host for the next task.

The tasks of a job read the same source one after another, and side by side. Who fetches a file gets
a hard link to the one that is kept: what is removed here stays whole for who reads it.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import trio

from taskengine.runtime.folders import make_private

ABANDONED: Final = 86_400.0  # seconds after which the part of a download is what a kill left

Download = Callable[[Path], Awaitable[None]]  # makes the file appear there


class FetchCache:
    """A folder with at most `limit` bytes of files, which instances of one host share; those that
    were not read for longest make room."""

    def __init__(self, folder: Path, limit: float) -> None:
        self._folder, self._limit = folder, limit
        self._locks: dict[str, trio.Lock] = {}
        self._users = Counter[str]()

    async def fetch(self, name: str, size: int, target: Path, download: Download) -> None:
        """Have a version of a file as `target`; `name` is that version's alone."""
        if size > self._limit:
            await download(target)
            return
        async with self._alone(name):  # the next one finds it here
            kept = self._folder / name
            if not await trio.to_thread.run_sync(_lend, kept, target):
                await trio.to_thread.run_sync(self._make_room, size)
                await download(kept)
                if not await trio.to_thread.run_sync(_lend, kept, target):
                    await download(target)  # on another file system, or removed again

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[None]:
        self._users[name] += 1
        try:
            async with self._locks.setdefault(name, trio.Lock()):
                yield
        finally:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name], self._locks[name]

    def _make_room(self, size: int) -> None:
        make_private(self._folder)
        files: list[tuple[float, int, Path]] = []
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                state = path.stat()
                if path.suffix != ".part":
                    files.append((state.st_mtime, state.st_size, path))
                elif time.time() - state.st_mtime > ABANDONED:
                    path.unlink()
        free = self._limit - sum(length for _, length, _ in files)
        for _, length, path in sorted(files):
            if free >= size:
                return
            path.unlink(missing_ok=True)
            free += length


def _lend(kept: Path, target: Path) -> bool:
    """Whether the file is there, and under another name now."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(kept, target)
    except OSError:
        return False
    with suppress(OSError):
        os.utime(kept)  # read just now
    return True
