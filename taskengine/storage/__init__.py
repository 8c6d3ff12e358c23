"""Storages behind one small interface: keys under a root, whole files in and out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

import trio

from taskengine.model import BadInput, NotFound, TaskEngineError
from taskengine.storage.fencing import FenceCheck, unfenced

LONGEST_PATH = 1_024  # bytes, as keys of S3 and Azure have
LONGEST_PART = 255  # bytes between two slashes, as file systems take

__all__ = [
    "FenceCheck",
    "FileNotStored",
    "FileStored",
    "Folder",
    "LinkingStorage",
    "NarrowableStorage",
    "Storage",
    "StorageFailed",
    "StorageRefused",
    "StoredFile",
    "clean_folder",
    "unfenced",
]


class FileNotStored(NotFound):
    """The storage has no such file or folder."""


class FileStored(TaskEngineError):
    """The storage has such a file already."""


class StorageFailed(TaskEngineError):
    """The storage cannot be reached, or does not do what is asked; the message names it."""


class StorageRefused(StorageFailed):
    """It denies access, or its bucket does not exist: the same call will fail again."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a folder; `name` is relative to the folder, `size` is in bytes."""

    name: str
    size: int


class Storage(Protocol):
    """Files by key: a path with `/` between its parts, which begins with one of the roots.

    Writing is atomic: a key shows the whole file or nothing. `move` takes "source gone, target
    there" as done, so that it can be repeated. A fence is awaited right before a file appears,
    after whatever takes long: a writer that was stopped in between must not go on (rule 6). A key
    outside of the roots raises BadInput; a storage that is away, or refuses, StorageFailed or
    OSError. All this is held by `taskengine.testing.contract.storages`.
    """

    label: str  # as log lines name it: local, S3, azure_blob

    async def list(self, prefix: str) -> Sequence[StoredFile]:
        """The files below a folder, sorted by name; raises FileNotStored if it does not exist."""
        ...

    async def folders(self, prefix: str) -> Sequence[str]:
        """The names of the folders in a folder, those without a whole file too; sorted."""
        ...

    async def size(self, key: str) -> int:
        """How many bytes a file has, without any of them; raises FileNotStored if there is
        none."""
        ...

    async def fetch(self, key: str, target: Path) -> None:
        """Make the file appear at a local path, without a copy where that can be."""
        ...

    async def put(self, source: Path, key: str, fence: FenceCheck = unfenced) -> None:
        """Store a local file. The source may be moved away."""
        ...

    async def put_new(self, source: Path, key: str) -> None:
        """Store a small local file unless there is one of that key: of several writers the first
        one wins. Raises FileStored for the others."""
        ...

    async def move(self, source: str, target: str, fence: FenceCheck = unfenced) -> None: ...

    async def delete(self, key: str) -> None:
        """Remove a file; raises FileNotStored if there is none."""
        ...

    async def clear(self, prefix: str) -> None:
        """Remove a folder and all in it, if there is one."""
        ...


@runtime_checkable
class LinkingStorage(Protocol):
    """A storage in which a file can have several names, each as good as the others: its bytes go
    with the last one."""

    async def link(self, pairs: Sequence[tuple[str, str]], fence: FenceCheck = unfenced) -> None:
        """Give files, the first of each pair, further names, in the place of what is there. It can
        be repeated. Raises FileNotStored for the first one that is not there."""
        ...


@runtime_checkable
class NarrowableStorage(Protocol):
    """A storage in which names can lead elsewhere, as symbolic links do."""

    def within(self, folders: Sequence[str]) -> Storage:
        """The same, but nothing is reached outside of these folders, whatever leads there. Those
        outside of its own roots are not reached either."""
        ...


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of a storage: what actions work with.

    `root` is the configured folder of a root key, `path` the folder below it as submitted. Each
    of its changes is behind the fence.
    """

    storage: Storage
    root: str
    path: str
    fence: FenceCheck = unfenced

    @property
    def complete(self) -> str:
        """The folder as log lines and callbacks name it: `{root}/{folder}`."""
        if not self.path or not self.root:  # a root may be a whole bucket
            return self.path or self.root
        return f"{self.root.rstrip('/')}/{self.path}"

    def name_of(self, name: str) -> str:
        """The complete path of one of its files."""
        return f"{self.complete}/{name}"

    def below(self, name: str) -> Folder:
        return replace(self, path=f"{self.path}/{name}" if self.path else name)

    async def list(self) -> Sequence[StoredFile]:
        return await self.storage.list(self.complete)

    async def folders(self) -> Sequence[str]:
        return await self.storage.folders(self.complete)

    async def size(self, name: str) -> int:
        return await self.storage.size(self.name_of(name))

    async def has(self, name: str) -> bool:
        """Whether it is a file."""
        try:
            await self.size(name)
        except FileNotStored:
            return False
        return True

    async def fetch(self, name: str, target: Path) -> None:
        await self.storage.fetch(self.name_of(name), target)

    async def put(self, source: Path, name: str) -> None:
        await self.storage.put(source, self.name_of(name), self.fence)

    async def hand_over(self, source: Path, name: str) -> None:
        """Store a local file that is not needed here any more: a long job fills no disk."""
        await self.put(source, name)
        await trio.Path(source).unlink(missing_ok=True)

    async def put_new(self, source: Path, name: str) -> None:
        await self.fence()
        await self.storage.put_new(source, self.name_of(name))

    async def take(self, other: Folder, name: str) -> None:
        """Move a file here from another folder of the same storage."""
        await self.storage.move(other.name_of(name), self.name_of(name), self.fence)

    async def share(self, other: Folder, pairs: Sequence[tuple[str, str]]) -> None:
        """Names of one's own, the second of each pair, for files of another folder of the same
        storage. Raises StorageFailed where files have one name alone."""
        if self.storage is not other.storage or not isinstance(self.storage, LinkingStorage):
            raise StorageRefused(f"{self.complete} can have no links to {other.complete}")
        named = [(other.name_of(old), self.name_of(new)) for old, new in pairs]
        await self.storage.link(named, self.fence)

    async def rename(self, old: str, new: str) -> None:
        await self.storage.move(self.name_of(old), self.name_of(new), self.fence)

    async def delete(self, name: str) -> None:
        await self.fence()
        await self.storage.delete(self.name_of(name))

    async def clear(self) -> None:
        await self.fence()
        await self.storage.clear(self.complete)


def clean_folder(field: str, value: str) -> str:
    """A submitted folder or file path as a key: no leading slash, no way out (A48, A52). Raises
    BadInput."""
    parts = PurePosixPath(value.strip("/")).parts
    if not parts or any(part in (".", "..") for part in parts) or "\\" in value or "\0" in value:
        raise BadInput(f"{field}: expected a folder below its root, without '..': {value!r}")
    path = "/".join(parts)
    if _size(path) > LONGEST_PATH or any(_size(part) > LONGEST_PART for part in parts):
        limits = f"{LONGEST_PATH} bytes, and {LONGEST_PART} between slashes"
        raise BadInput(f"{field}: expected at most {limits}: {value[:40]!r}…")
    return path


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
