"""Storages behind one small interface: keys under a root, whole files in and out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol

import trio

from taskengine.model import BadInput, NotFound

FenceCheck = Callable[[], Awaitable[None]]  # raises FenceMoved if the writer's attempt is over
unfenced: FenceCheck = trio.lowlevel.checkpoint


class FileNotStored(NotFound):
    """The storage has no such file or folder."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a folder; `name` is relative to the folder, `size` is in bytes."""

    name: str
    size: int


class Storage(Protocol):
    """Files by key; a key is a relative path with `/` between its parts.

    Writing is atomic: a key shows the whole file or nothing. `move` takes "source gone, target
    there" as done, so that it can be repeated. A fence is awaited right before a file appears,
    after whatever takes long: a writer that was stopped in between must not go on (rule 6).
    """

    label: str  # as log lines name it: local, S3, azure_blob

    async def list(self, prefix: str) -> Sequence[StoredFile]:
        """The files below a folder, sorted by name; raises FileNotStored if it does not exist."""
        ...

    async def folders(self, prefix: str) -> Sequence[str]:
        """The names of the folders in a folder, those without a whole file too; sorted."""
        ...

    async def fetch(self, key: str, target: Path) -> None:
        """Make the file appear at a local path, without a copy where that can be."""
        ...

    async def put(self, source: Path, key: str, fence: FenceCheck = unfenced) -> None:
        """Store a local file. The source may be moved away."""
        ...

    async def move(self, source: str, target: str, fence: FenceCheck = unfenced) -> None: ...

    async def delete(self, key: str) -> None:
        """Remove a file; raises FileNotStored if there is none."""
        ...

    async def clear(self, prefix: str) -> None:
        """Remove a folder and all in it, if there is one."""
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
        return f"{self.root.rstrip('/')}/{self.path}" if self.path else self.root

    def name_of(self, name: str) -> str:
        """The complete path of one of its files."""
        return f"{self.complete}/{name}"

    def below(self, name: str) -> Folder:
        return replace(self, path=f"{self.path}/{name}" if self.path else name)

    async def list(self) -> Sequence[StoredFile]:
        return await self.storage.list(self.complete)

    async def folders(self) -> Sequence[str]:
        return await self.storage.folders(self.complete)

    async def fetch(self, name: str, target: Path) -> None:
        await self.storage.fetch(self.name_of(name), target)

    async def put(self, source: Path, name: str) -> None:
        await self.storage.put(source, self.name_of(name), self.fence)

    async def take(self, other: Folder, name: str) -> None:
        """Move a file here from another folder of the same storage."""
        await self.storage.move(other.name_of(name), self.name_of(name), self.fence)

    async def rename(self, old: str, new: str) -> None:
        await self.storage.move(self.name_of(old), self.name_of(new), self.fence)

    async def delete(self, name: str) -> None:
        await self.fence()
        await self.storage.delete(self.name_of(name))

    async def clear(self) -> None:
        await self.fence()
        await self.storage.clear(self.complete)


def clean_folder(field: str, value: str) -> str:
    """A submitted folder or file path as a key: no leading slash, no way out (A48, A52)."""
    parts = PurePosixPath(value.strip("/")).parts
    if not parts or any(part in (".", "..") for part in parts) or "\\" in value or "\0" in value:
        raise BadInput(f"{field}: expected a folder below its root, without '..': {value!r}")
    return "/".join(parts)
