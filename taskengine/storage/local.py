"""Folders of this machine, or mounted on it, as a storage.

A key is a complete path, as Folder.complete builds it. Symbolic links are followed as long as
they stay within the allowed roots; whatever leads out of them is refused.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

import trio

from taskengine.model import BadInput
from taskengine.storage import Fence, FileNotStored, StoredFile, unfenced

TEMPORARY = ".part-"  # how the names of files begin that are not whole yet; never listed
CHUNK = 4 << 20
FRESH = 1.0  # seconds; less than a lease, in which nobody else is given the task
PASSES = 10


class LocalStorage:
    """Files below the given root folders; relative paths are taken from `base`."""

    label = "local"

    def __init__(self, roots: Iterable[str | Path], base: Path | None = None) -> None:
        self._base = Path.cwd() / (base or "")
        self._roots = [self._base / root for root in roots]

    async def list(self, prefix: str) -> Sequence[StoredFile]:
        """The files below a folder. Links to files are listed, links to folders not entered."""
        return await trio.to_thread.run_sync(self._list, prefix)

    async def folders(self, prefix: str) -> Sequence[str]:
        """The names of the folders in a folder, whatever is in them."""
        return await trio.to_thread.run_sync(self._folders, prefix)

    async def fetch(self, key: str, target: Path) -> None:
        """Make a symbolic link to the stored file: read it, never write to it.

        It shows what the storage holds when it is opened; a file already open stays as it was,
        since `put` and `delete` never touch the contents of what they replace.
        """
        await trio.to_thread.run_sync(self._fetch, key, target)

    async def put(self, source: Path, key: str, fence: Fence = unfenced) -> None:
        """Move the file there, or copy it if it lies on another file system or is a link."""
        await trio.to_thread.run_sync(self._put, source, key, fence)

    async def move(self, source: str, target: str, fence: Fence = unfenced) -> None:
        """Rename; "source gone, target there" is done. Raises FileNotStored if both are missing."""
        await trio.to_thread.run_sync(self._move, source, target, fence)

    async def delete(self, key: str) -> None:
        """Remove a file and the folders that it leaves empty, but for the root."""
        await trio.to_thread.run_sync(self._delete, key)

    async def clear(self, prefix: str) -> None:
        """Remove a folder; a link to one is removed without what it leads to."""
        await trio.to_thread.run_sync(self._clear, prefix)

    def _list(self, prefix: str) -> Sequence[StoredFile]:
        folder = self._locate(prefix)
        if not folder.is_dir():
            raise FileNotStored(f"{prefix}: no such folder")
        return sorted(self._walk(folder), key=lambda file: file.name)

    def _folders(self, prefix: str) -> Sequence[str]:
        try:
            with os.scandir(self._locate(prefix)) as entries:
                return sorted(one.name for one in entries if one.is_dir(follow_symlinks=False))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _walk(self, folder: Path) -> Iterator[StoredFile]:
        for top, _, names in os.walk(folder):
            for name in names:
                path = Path(top, name)
                if name.startswith(TEMPORARY) or (path.is_symlink() and not self._allows(path)):
                    continue
                with suppress(OSError):  # gone since, or a link to nothing or to itself
                    state = path.stat()
                    if S_ISREG(state.st_mode):
                        yield StoredFile(path.relative_to(folder).as_posix(), state.st_size)

    def _fetch(self, key: str, target: Path) -> None:
        path = _real(self._file(key))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(path)

    def _put(self, source: Path, key: str, fence: Fence) -> None:
        target = self._locate(key)
        if source.is_symlink():  # moved as it is, the storage would hold the link
            _copy(source, target, fence)
        else:
            _rename(source, target, fence)

    def _move(self, source: str, target: str, fence: Fence) -> None:
        there = self._locate(target)
        try:
            _rename(self._file(source), there, fence)
        except FileNotStored:
            if not there.is_file():
                raise

    def _delete(self, key: str) -> None:
        path = self._file(key)
        path.unlink()
        self._prune(path.parent)

    def _clear(self, prefix: str) -> None:
        folder = self._locate(prefix)
        if any(root.is_relative_to(folder) for root in self._resolved()):
            raise BadInput(f"{prefix}: a root folder is never removed")
        if folder.is_symlink():
            folder.unlink()
        elif folder.is_dir():
            shutil.rmtree(folder)
        self._prune(folder.parent)

    def _prune(self, folder: Path) -> None:
        roots = self._resolved()
        with suppress(OSError):  # not empty
            while folder not in roots:
                _remove_leftovers(folder)
                folder.rmdir()
                folder = folder.parent

    def _file(self, key: str) -> Path:
        path = self._locate(key)
        if not path.is_file():
            raise FileNotStored(f"{key}: no such file")
        return path

    def _locate(self, key: str) -> Path:
        """Where a key lies, links resolved but for the last part; raises BadInput outside."""
        path = self._base / key
        if "\0" in key or ".." in path.parts or not self._allows(path):
            raise BadInput(f"{key}: not within the folders of the local storage")
        return _real(path) if path in self._roots else _real(path.parent) / path.name

    def _allows(self, path: Path) -> bool:
        return any(_real(path).is_relative_to(root) for root in self._resolved())

    def _resolved(self) -> Sequence[Path]:
        return [_real(root) for root in self._roots]


def _real(path: Path) -> Path:
    """Without links. Path.resolve() fails on a link to itself; this leaves it as it is."""
    return Path(os.path.realpath(path))


def _rename(source: Path, target: Path, fence: Fence) -> None:
    """Put a file in the place of another, across file systems too."""
    try:
        _sync(source)
        _replace(source, target, fence)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(source, target, fence)
        source.unlink()


def _copy(source: Path, target: Path, fence: Fence) -> None:
    """Copy a file so that its name shows all of it or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(target.parent)
    with _part_beside(target) as (part, writer), source.open("rb") as reader:
        while chunk := reader.read(CHUNK):
            trio.from_thread.check_cancelled()
            writer.write(chunk)
        writer.flush()
        _sync(part)
        _replace(part, target, fence)


@contextmanager
def _part_beside(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A file that is not whole yet, under a lock; removed if it is still there at the end."""
    while True:
        part = target.with_name(f"{TEMPORARY}{uuid.uuid4()}")
        with part.open("xb") as writer:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(writer, fcntl.LOCK_EX)
            if os.fstat(writer.fileno()).st_nlink == 0:  # taken for a leftover
                continue
            try:
                yield part, writer
            finally:
                part.unlink(missing_ok=True)
            return


def _remove_leftovers(folder: Path) -> None:
    """Files that are not whole and never will be: the lock of a killed writer is free."""
    for part in folder.glob(f"{TEMPORARY}*"):
        with suppress(OSError), part.open("r+b") as left:
            fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()


def _pass(fence: Fence) -> None:
    """Ask until the answer is fresh: the process may have been stopped while it was on its way."""
    for _ in range(PASSES):
        asked = time.clock_gettime(time.CLOCK_BOOTTIME)
        trio.from_thread.run(fence)
        if time.clock_gettime(time.CLOCK_BOOTTIME) - asked < FRESH:
            return
    raise TimeoutError("the fence answers too late")


def _replace(source: Path, target: Path, fence: Fence) -> None:
    _pass(fence)
    for last in (False, False, True):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
            break
        except FileNotFoundError:  # the folder was empty, and removed just now
            if last or not source.exists():
                raise
    with suppress(OSError):  # some network file systems cannot
        _sync(target.parent)


def _sync(path: Path) -> None:
    """Have it on disk: what the store says is done must outlast a crash of the host."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
