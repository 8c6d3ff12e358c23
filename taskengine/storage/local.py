"""Folders of this machine, or mounted on it, as a storage.

A key is a complete path, as Folder.complete builds it. Symbolic links are followed as long as
they stay within the allowed roots; whatever leads out of them is refused.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from pathlib import Path, PurePosixPath
from stat import S_ISLNK, S_ISREG
from typing import Annotated, ClassVar

import trio
from pydantic import BeforeValidator, Field

from taskengine.model import BadInput
from taskengine.runtime.folders import make_private
from taskengine.storage import FenceCheck, FileNotStored, FileStored, StoredFile, unfenced
from taskengine.storage.cache import FetchCache
from taskengine.storage.fencing import pass_fence
from taskengine.storage.links import link_files
from taskengine.storage.parts import TEMPORARY, part_beside, remove_leftovers
from taskengine.storage.pinned import Area, real, sync, utf8_name
from taskengine.storage.settings import ROOT_KEYS, StorageSettings

CHUNK = 4 << 20


def _not_empty(value: object) -> object:
    if value == "":  # would be the working folder
        raise ValueError("expected a folder, got ''")
    return value


LocalFolder = Annotated[Path, BeforeValidator(_not_empty)]


class LocalSettings(StorageSettings):
    """Folders of this machine. Those that are not set are folders of the data folder."""

    label: ClassVar[str] = "local"

    input_root: LocalFolder | None = Field(None, description="sources; <data>/input if unset")
    output_root: LocalFolder | None = Field(None, description="results; <data>/output if unset")
    workspace_root: LocalFolder | None = Field(
        None, description="jobs' workspaces; <data>/workspace if unset"
    )

    @property
    def is_configured(self) -> bool:
        return True

    def roots(self, data: Path) -> Mapping[str, str]:
        return {key: self._folder(key, data) for key in ROOT_KEYS}

    def workspace(self, data: Path) -> str:
        return self._folder("workspace_root", data)

    def open(self, data: Path, cache: FetchCache | None = None) -> LocalStorage:
        folders = [*self.roots(data).values(), self.workspace(data)]
        for folder in folders:
            make_private(Path(folder))
        return LocalStorage(folders)

    def _folder(self, key: str, data: Path) -> str:
        return str((getattr(self, key) or data / key.removesuffix("_root")).absolute())


class LocalStorage:
    """Files below the given root folders; relative paths are taken from `base`."""

    label = "local"

    def __init__(self, roots: Iterable[str | Path], base: Path | None = None) -> None:
        self._base = Path.cwd() / (base or "")
        self._area = Area([self._base / root for root in roots])

    def within(self, folders: Sequence[str]) -> LocalStorage:
        """No link leads from there to what is beside."""
        narrow = copy(self)
        narrow._area = Area([self._base / one for one in folders], self._area)
        return narrow

    async def list(self, prefix: str) -> Sequence[StoredFile]:
        """The files below a folder. Links to files are listed, links to folders not entered."""
        return await trio.to_thread.run_sync(self._list, prefix)

    async def folders(self, prefix: str) -> Sequence[str]:
        """The names of the folders in a folder, whatever is in them."""
        return await trio.to_thread.run_sync(self._folders, prefix)

    async def fetch(self, key: str, target: Path) -> None:
        """Make another name for the stored file: read it, never write to it.

        It stays the file that it is now, since `put` and `delete` never touch the contents of what
        they replace; but on another file system it is a link, which shows what is stored when it
        is opened.
        """
        await trio.to_thread.run_sync(self._fetch, key, target)

    async def size(self, key: str) -> int:
        return await trio.to_thread.run_sync(self._size, key)

    async def put(self, source: Path, key: str, fence: FenceCheck = unfenced) -> None:
        """Move the file there, or copy it if it lies on another file system or is a link."""
        await trio.to_thread.run_sync(self._put, source, key, fence)

    async def put_new(self, source: Path, key: str) -> None:
        """Copy the file there, and have it as its new name if there is none."""
        await trio.to_thread.run_sync(self._put_new, source, key)

    async def move(self, source: str, target: str, fence: FenceCheck = unfenced) -> None:
        """Rename; "source gone, target there" is done. Raises FileNotStored if both are missing."""
        await trio.to_thread.run_sync(self._move, source, target, fence)

    async def link(self, pairs: Sequence[tuple[str, str]], fence: FenceCheck = unfenced) -> None:
        """Hard links: the file system counts them. Raises StorageRefused across file systems."""
        await trio.to_thread.run_sync(link_files, self._area, self._locate, pairs, fence)

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
            with self._area.inside(self._locate(prefix)) as folder, os.scandir(folder) as entries:
                return sorted(one.name for one in entries if one.is_dir(follow_symlinks=False))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _walk(self, folder: Path) -> Iterator[StoredFile]:
        """Walked by descriptors: no folder is another one by the time that it is entered."""
        with self._area.inside(folder) as place:
            top = int(place.name)
            for below, _, names, descriptor in os.fwalk(".", dir_fd=top):
                for name in names:
                    if not name.startswith(TEMPORARY):
                        path = PurePosixPath(below, name)
                        yield from self._stored(path, Path(f"/proc/self/fd/{descriptor}", name))

    def _stored(self, path: PurePosixPath, place: Path) -> Iterator[StoredFile]:
        """Nothing for what is no file, is gone since, or leads out of the roots or to itself."""
        with suppress(OSError):
            state = place.lstat()
            if S_ISLNK(state.st_mode):
                state = place.stat() if self._area.allows(place) else state
            if S_ISREG(state.st_mode):
                yield StoredFile(utf8_name(path), state.st_size)

    def _size(self, key: str) -> int:
        path = self._file(key)
        try:
            descriptor = self._area.open_file(path)
        except FileNotFoundError:
            raise FileNotStored(f"{key}: no such file") from None
        with open(descriptor, "rb") as file:
            return os.fstat(file.fileno()).st_size

    def _fetch(self, key: str, target: Path) -> None:
        path = self._file(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            self._area.lend(path, target)
        except FileNotFoundError:
            raise FileNotStored(f"{key}: no such file") from None

    def _put(self, source: Path, key: str, fence: FenceCheck) -> None:
        target, state = self._locate(key), source.lstat()
        if S_ISLNK(state.st_mode) or state.st_nlink > 1:  # moved, the storage would hold the link
            self._copy(source, target, fence)
        else:
            self._rename(source, target, fence)

    def _put_new(self, source: Path, key: str) -> None:
        target = self._locate(key)
        self._area.make(target.parent)
        with self._area.pinned(target) as place, part_beside(place) as (part, writer):
            part.chmod(source.stat().st_mode & 0o777)
            writer.write(source.read_bytes())
            writer.flush()
            sync(part)
            try:
                os.link(part, place)
            except FileExistsError:
                raise FileStored(f"{key}: there is such a file") from None

    def _move(self, source: str, target: str, fence: FenceCheck) -> None:
        there = self._locate(target)
        try:
            with self._area.pinned(self._file(source)) as place:
                self._rename(place, there, fence)
        except FileNotStored:
            if not there.is_file():
                raise

    def _delete(self, key: str) -> None:
        path = self._file(key)
        with self._area.pinned(path) as place:
            place.unlink()
        self._prune(path.parent)

    def _clear(self, prefix: str) -> None:
        folder = self._locate(prefix)
        if any(root.is_relative_to(folder) for root in self._area.resolved()):
            raise BadInput(f"{prefix}: a root folder is never removed")
        with suppress(FileNotFoundError, NotADirectoryError), self._area.pinned(folder) as place:
            if place.is_symlink():
                place.unlink()
            elif place.is_dir():
                shutil.rmtree(place)
        self._prune(folder.parent)

    def _prune(self, folder: Path) -> None:
        roots = self._area.resolved()
        with suppress(OSError, BadInput):  # not empty, or not what it was
            while folder not in roots:
                with self._area.inside(folder) as place:
                    remove_leftovers(place)
                with self._area.pinned(folder) as place:
                    place.rmdir()
                folder = folder.parent

    def _rename(self, source: Path, target: Path, fence: FenceCheck) -> None:
        """Put a file in the place of another, across file systems too."""
        try:
            sync(source)
            self._replace(source, target, fence)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._copy(source, target, fence)
            source.unlink()

    def _copy(self, source: Path, target: Path, fence: FenceCheck) -> None:
        """Copy a file so that its name shows all of it or nothing."""
        self._area.make(target.parent)
        with self._area.pinned(target) as place:
            remove_leftovers(place.parent)
            with part_beside(place) as (part, writer), source.open("rb") as reader:
                while chunk := reader.read(CHUNK):
                    trio.from_thread.check_cancelled()
                    writer.write(chunk)
                writer.flush()
                sync(part)
                self._replace(part, target, fence)

    def _replace(self, source: Path, target: Path, fence: FenceCheck) -> None:
        if fence is not unfenced:
            trio.from_thread.run(pass_fence, fence)
        for last in (False, False, True):
            try:
                self._area.make(target.parent)
                with self._area.pinned(target) as place:
                    os.replace(source, place)
                    with suppress(OSError):  # some network file systems cannot
                        sync(place.parent)
                break
            except FileNotFoundError:  # the folder was empty, and removed just now
                if last or not source.exists():
                    raise

    def _file(self, key: str) -> Path:
        path = self._locate(key)
        if not path.is_file():
            raise FileNotStored(f"{key}: no such file")
        return path

    def _locate(self, key: str) -> Path:
        """Where a key lies, links resolved but for the last part; raises BadInput outside."""
        path = self._base / key
        if "\0" in key or ".." in path.parts or not self._area.allows(path):
            raise BadInput(f"{key}: not within the folders of the local storage")
        return real(path) if path in self._area.roots else real(path.parent) / path.name
