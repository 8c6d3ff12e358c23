"""Files for the tools: segments of a recording put together as they lie there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from taskengine.capture.model import Fetched
from taskengine.media.copying import concatenate
from taskengine.storage import Folder

AT_ONCE: Final = 8  # files that are looked up side by side: each waits for the storage


@dataclass(frozen=True, slots=True)
class Assembler:
    """`folder` holds the recording of a clip; files are made in `scratch`."""

    folder: Folder
    scratch: Path

    async def files(self, segments: Sequence[Fetched]) -> tuple[Path, ...]:
        """The segments as they lie there; to be read."""
        waiting = iter([one.file for one in segments])

        async def work() -> None:
            for name in waiting:
                await self.local(name)

        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(work)
        return tuple([self._path(one.file) for one in segments])

    async def put_together(self, segments: Sequence[Fetched], target: Path) -> list[int]:
        """The initialization and the segments as one file; the bytes of each part."""
        names = [segments[0].init_file, *(one.file for one in segments)]
        paths = [await self.local(name) if name else None for name in names]
        return await trio.to_thread.run_sync(concatenate, paths, target)

    async def read(self, name: str) -> bytes:
        """A small file of the recording."""
        return await trio.Path(await self.local(name)).read_bytes()

    async def local(self, name: str) -> Path:
        """Where a file of the recording can be read; it is not to be changed."""
        path = self._path(name)
        if not path.is_symlink() and not path.exists():
            await self.folder.fetch(name, path)
        return path

    def _path(self, name: str) -> Path:
        return self.scratch / f"stored-{name.replace('/', '-')}"
