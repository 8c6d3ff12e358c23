"""Files for the tools: segments of a recording put together as they lie there."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

from taskengine.capture.model import Fetched
from taskengine.storage import Folder

PIECE = 1 << 20  # bytes copied at once


@dataclass(frozen=True, slots=True)
class Assembler:
    """`folder` holds the recording of a clip; files are made in `scratch`."""

    folder: Folder
    scratch: Path

    async def files(self, segments: Sequence[Fetched]) -> tuple[Path, ...]:
        """The segments as they lie there; to be read."""
        return tuple([await self.local(one.file) for one in segments])

    async def put_together(self, segments: Sequence[Fetched], target: Path) -> list[int]:
        """The initialization and the segments as one file; the bytes of each part."""
        names = [segments[0].init_file, *(one.file for one in segments)]
        paths = [await self.local(name) if name else None for name in names]
        return await trio.to_thread.run_sync(_concatenate, paths, target)

    async def read(self, name: str) -> bytes:
        """A small file of the recording."""
        return await trio.Path(await self.local(name)).read_bytes()

    async def local(self, name: str) -> Path:
        """Where a file of the recording can be read; it is not to be changed."""
        path = self.scratch / f"stored-{name.replace('/', '-')}"
        if not path.is_symlink() and not path.exists():
            await self.folder.fetch(name, path)
        return path


def _concatenate(paths: Sequence[Path | None], target: Path) -> list[int]:
    sizes = []
    with target.open("wb") as file:
        for path in paths:
            before = file.tell()
            if path is not None:
                with path.open("rb") as source:
                    shutil.copyfileobj(source, file, PIECE)
            sizes.append(file.tell() - before)
    return sizes
