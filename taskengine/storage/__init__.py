"""Storages behind one small interface: keys under a root, whole files in and out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from taskengine.model import BadInput, NotFound


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
    there" as done, so that it can be repeated.
    """

    label: str  # as log lines name it: local, S3, azure_blob

    async def list(self, prefix: str) -> Sequence[StoredFile]:
        """The files below a folder, sorted by name; raises FileNotStored if it does not exist."""
        ...

    async def fetch(self, key: str, target: Path) -> None:
        """Make the file appear at a local path, without a copy where that can be."""
        ...

    async def put(self, source: Path, key: str) -> None:
        """Store a local file. The source may be moved away."""
        ...

    async def move(self, source: str, target: str) -> None: ...

    async def delete(self, key: str) -> None:
        """Remove a file; raises FileNotStored if there is none."""
        ...

    async def clear(self, prefix: str) -> None:
        """Remove a folder and all in it, if there is one."""
        ...


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of a storage: what actions work with.

    `root` is the configured folder of a root key, `path` the folder below it as submitted.
    """

    storage: Storage
    root: str
    path: str

    @property
    def complete(self) -> str:
        """The folder as log lines and callbacks name it: `{root}/{folder}`."""
        return f"{self.root.rstrip('/')}/{self.path}" if self.path else self.root

    def name_of(self, name: str) -> str:
        """The complete path of one of its files."""
        return f"{self.complete}/{name}"

    def below(self, name: str) -> Folder:
        return Folder(self.storage, self.root, self._key(name))

    async def list(self) -> Sequence[StoredFile]:
        return await self.storage.list(self.complete)

    async def fetch(self, name: str, target: Path) -> None:
        await self.storage.fetch(self.name_of(name), target)

    async def put(self, source: Path, name: str) -> None:
        await self.storage.put(source, self.name_of(name))

    async def rename(self, old: str, new: str) -> None:
        await self.storage.move(self.name_of(old), self.name_of(new))

    async def delete(self, name: str) -> None:
        await self.storage.delete(self.name_of(name))

    async def clear(self) -> None:
        await self.storage.clear(self.complete)

    def _key(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name


def clean_folder(field: str, value: str) -> str:
    """A submitted folder or file path as a key: no leading slash, no way out (A48, A52)."""
    parts = PurePosixPath(value.strip("/")).parts
    if not parts or any(part in (".", "..") for part in parts) or "\\" in value or "\0" in value:
        raise BadInput(f"{field}: expected a folder below its root, without '..': {value!r}")
    return "/".join(parts)
