"""What an instance lends to the actions it runs: storages, folders, tools."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import trio

from taskengine.media.keys import KeyStore
from taskengine.model import Attempt, BadInput, JsonObject
from taskengine.runtime.pulse import Pulse
from taskengine.storage import Folder, Storage


@dataclass(frozen=True, slots=True)
class Facilities:
    """`roots` holds the folder of each root key by storage type; a client's options come first."""

    scratch: Path
    storages: Mapping[str, Storage]
    roots: Mapping[str, Mapping[str, str]]
    workspaces: Folder
    keys: KeyStore
    http: httpx.AsyncClient
    unverified: httpx.AsyncClient  # the same, but it takes any TLS certificate
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    pulse: Pulse = field(default_factory=Pulse)  # of the guards of child processes

    def workspace(self, job_id: int) -> Folder:
        """The job's area, which its tasks on all hosts share."""
        return self.workspaces.below(str(job_id))

    def roots_of(self, options: JsonObject) -> Callable[[str, str], Folder]:
        """Where a client's root keys lead, by storage type and key. Raises BadInput."""
        own: Mapping[str, str] = options.get("roots", {})

        def find(storage: str, key: str) -> Folder:
            label = next((name for name in self.storages if name.lower() == storage.lower()), None)
            if label is None:
                known = ", ".join(sorted(self.storages))
                raise BadInput(f"storage: expected one of {known}, got {storage!r}")
            folder = own.get(key) or self.roots[label].get(key)
            if folder is None:
                raise BadInput(f"root: no folder is configured for the key {key!r}")
            return Folder(self.storages[label], folder, "")

        return find

    @asynccontextmanager
    async def scratch_for(self, attempt: Attempt) -> AsyncIterator[Path]:
        """A folder of this attempt alone, always removed."""
        fence = attempt.fence
        folder = self.scratch / f"{fence.job_id}-{fence.task_id}-{fence.attempt}"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            yield folder
        finally:
            await _remove(folder)


async def _remove(folder: Path) -> None:
    """An empty folder at once: most tasks leave theirs so, and a thread costs more than that."""
    if not _removed_empty(folder):
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))


def _removed_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


@contextmanager
def scratch_of_instance(base: Path) -> Iterator[Path]:
    """A scratch folder under a file lock; those whose instance is gone are removed (rule 6)."""
    base.mkdir(parents=True, exist_ok=True)
    _remove_orphans(base)
    folder = base / f"{os.getpid()}-{os.urandom(4).hex()}"
    folder.mkdir()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_orphans(base: Path) -> None:
    for folder in base.iterdir():
        with suppress(OSError), (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
