"""Scratch folders: one for each instance, under a file lock; in it one for each attempt."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TextIO

import trio

from taskengine.model import Fence
from taskengine.runtime.folders import make_private

logger = logging.getLogger(__name__)

LOCK = "lock"  # the name of the file whose lock says that the instance lives


@contextmanager
def scratch_of_instance(base: Path) -> Iterator[Path]:
    """A scratch folder under a file lock; those whose instance is gone are removed (rule 6)."""
    make_private(base)
    _remove_orphans(base)
    folder, lock = _locked_folder(base)
    with lock:
        try:
            yield folder
        finally:
            remove_tree(folder)


@asynccontextmanager
async def scratch_of_attempt(base: Path, fence: Fence) -> AsyncIterator[Callable[[], Path]]:
    """A folder of this attempt alone, always removed. It is made when it is first asked for: most
    tasks need none, and making one costs more than such a task."""
    folder = base / f"{fence.job_id}-{fence.task_id}-{fence.attempt}"
    made = False

    def make() -> Path:
        nonlocal made
        if not made:
            folder.mkdir(parents=True, exist_ok=True)
            made = True
        return folder

    try:
        yield make
    finally:
        if made:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(remove_tree, folder)


def _removed_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _locked_folder(base: Path) -> tuple[Path, TextIO]:
    """A new folder and its lock; until then a peer that starts may take it for an orphan."""
    while True:
        folder = base / f"{os.getpid()}-{os.urandom(4).hex()}"
        folder.mkdir()
        with suppress(FileNotFoundError):
            lock = (folder / LOCK).open("w")
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.fstat(lock.fileno()).st_nlink:
                return folder, lock
            lock.close()


def _remove_orphans(base: Path) -> None:
    for folder in base.iterdir():
        if not _removed_empty(folder):
            with suppress(OSError), (folder / LOCK).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_tree(folder)


def remove_tree(folder: Path) -> None:
    """Remove a folder whatever rights a tool gave what is in it; what stays is logged."""
    for _ in range(2):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        _open_up(folder)
    logger.warning("%s cannot be removed", folder)


def _open_up(folder: Path) -> None:
    with suppress(OSError):
        folder.chmod(0o700)
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                _open_up(Path(entry))
