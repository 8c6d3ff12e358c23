"""Encrypted copies of an archive's segments: each is made once for a key, and shared as they are.

They lie beside the segments, under the same names in a folder of the scheme and the key, so that
they are as old, and go when the segments do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import trio

from taskengine.archive.chapters import Chapter
from taskengine.archive.index import Placed
from taskengine.archive.segments import ArchivedSegment
from taskengine.media.boxes import boxes, inner
from taskengine.media.copying import append
from taskengine.media.keys import AssetKeys
from taskengine.media.packager import Manifests, Protection, package
from taskengine.media.tools import Bench
from taskengine.storage import FileNotStored, Folder

AT_ONCE: Final = 50  # segments of one run of the packager
HEAD: Final = frozenset({b"ftyp", b"moov", b"sidx", b"styp"})  # of a file of one segment


@dataclass(frozen=True, slots=True)
class Locker:
    """`archive` is the folder of the archive, `scheme` one of the packager's."""

    bench: Bench
    archive: Folder
    scheme: str
    keys: AssetKeys

    def folder(self, chapter: Chapter) -> str:
        """Where the copies of a chapter's segments lie, below the archive's folder."""
        return f"{chapter.folder}/{self.scheme}-{self.keys.key_id}"

    async def lock(
        self, wanted: Sequence[Placed], progress: Callable[[float], Awaitable[None]]
    ) -> None:
        """Make those copies that are not there."""
        missing: list[Placed] = []
        for chapter, group in groupby(sorted(wanted, key=_chapter), _chapter):
            there = await self._there(chapter)
            missing += [one for one in group if one[1].file not in there]
        for place in range(0, len(missing), AT_ONCE):
            await progress(place / len(missing))
            await self._lock(missing[place : place + AT_ONCE])

    async def _there(self, chapter: Chapter) -> set[str]:
        try:
            files = await self.archive.below(self.folder(chapter)).list()
        except FileNotStored:
            return set()
        return {file.name for file in files}

    async def _lock(self, batch: Sequence[Placed]) -> None:
        streams = []
        for number, (chapter, one) in enumerate(batch):
            source = f"clear-{number}.mp4"
            folder = self.archive.below(chapter.folder)
            await whole_file(folder, one, self.bench.folder / source)
            made = f"locked/{number}.mp4"
            streams.append({"in": source, "stream": "0", "output": made})
        protection = Protection(self.scheme, ("CommonSystem",), self.keys)
        await package(self.bench, streams, "locked", Manifests(), protection=protection)
        for number, (chapter, one) in enumerate(batch):
            path = self.bench.folder / "locked" / f"{number}.mp4"
            await trio.to_thread.run_sync(_keep_fragments, path)
            await self.archive.below(self.folder(chapter)).hand_over(path, one.file)


def _chapter(placed: Placed) -> Chapter:
    return placed[0]


async def whole_file(folder: Folder, one: ArchivedSegment, target: Path) -> None:
    """A segment of a chapter with its initialization, as tools read it."""
    parts = [target.with_suffix(".init"), target.with_suffix(".part")]
    for name, path in zip((one.init_file, one.file), parts, strict=True):
        await folder.fetch(name, path)
    await trio.to_thread.run_sync(_joined, parts, target)


def _joined(parts: Sequence[Path], target: Path) -> None:
    with target.open("wb") as file:
        for path in parts:
            with path.open("rb") as source:
                append(source, 0, path.stat().st_size, file)
            path.unlink()


def _keep_fragments(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(b"".join(data[at:end] for kind, at, end in _placed(data) if kind not in HEAD))


def keep_head(path: Path, target: Path) -> None:
    """Of a file of one segment that which initializes it, for any number of them. Blocking."""
    data = bytearray(path.read_bytes())
    if (length := inner(data, "moov/mvex/mehd")) is not None:  # how long the one segment is
        data[length[0] - 4 : length[0]] = b"free"
    wanted = (b"ftyp", b"moov")
    target.write_bytes(b"".join(data[at:end] for kind, at, end in _placed(data) if kind in wanted))


def _placed(data: bytes | bytearray) -> list[tuple[bytes, int, int]]:
    """Boxes from their first byte on."""
    found = list(boxes(data))
    starts = [0, *(end for _, _, end in found)]
    return [(kind, start, end) for start, (kind, _, end) in zip(starts, found, strict=False)]
