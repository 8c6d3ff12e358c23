"""Scratch folders: one for each instance, under a file lock; in it one for each attempt.

The lock is held by the instance's process and by the guards of its children: where it is free, all
of them are gone. So whoever starts in the same data folder knows of deaths that nobody has told of,
since the witness was killed as well (rule 2). That is believed within one run of one kernel alone,
which knows its own locks; over a network a lock may be lost by somebody who lives.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import trio

from taskengine.model import Fence
from taskengine.runtime.folders import make_private

logger = logging.getLogger(__name__)

LOCK = "lock"  # the name of the file whose lock says that the instance lives


@dataclass(frozen=True, slots=True)
class Scratch:
    """`died` are the processes whose scratch folders were found without them."""

    folder: Path
    lock: int  # a descriptor, for guards to hold
    died: Collection[uuid.UUID]


@contextmanager
def scratch_of_instance(base: Path, process: uuid.UUID) -> Iterator[Scratch]:
    """A scratch folder under a file lock; those whose instance is gone are removed (rule 6)."""
    make_private(base)
    died = _remove_orphans(base)
    folder, lock = _locked_folder(base)
    with lock:
        lock.write(f"{kernel()} {process}")
        lock.flush()
        try:
            yield Scratch(folder, lock.fileno(), died)
        finally:
            remove_tree(folder)


def kernel() -> str:
    """Which run of which kernel this is; containers share it."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(slots=True)
class AttemptScratch:
    """A folder of an attempt alone, for the length of a block, always removed. It is made when it
    is first asked for: most tasks need none, and making one costs more than such a task."""

    folder: Path
    _is_made: bool = field(default=False, init=False)

    @classmethod
    def of(cls, base: Path, fence: Fence) -> AttemptScratch:
        return cls(base / f"{fence.job_id}-{fence.task_id}-{fence.attempt}")

    def make(self) -> Path:
        if not self._is_made:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._is_made = True
        return self.folder

    async def __aenter__(self) -> Callable[[], Path]:
        return self.make

    async def __aexit__(self, *_: object) -> None:
        if self._is_made:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(remove_tree, self.folder)


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


def _remove_orphans(base: Path) -> list[uuid.UUID]:
    """Gives the processes that are known to be dead by it."""
    died = []
    for folder in base.iterdir():
        if not _removed_empty(folder):
            with suppress(OSError), (folder / LOCK).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                died += _owners(lock.read())
                remove_tree(folder)
    return died


def _owners(said: str) -> list[uuid.UUID]:
    """Whose lock it is, if that can be known here."""
    where, _, process = said.partition(" ")
    with suppress(ValueError):
        return [uuid.UUID(process)] if where == kernel() else []
    return []


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
