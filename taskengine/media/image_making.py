"""Thumbnails of a set: tracks that are made of its pictures, and those it comes with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import trio

from taskengine.media.conform import UNDECODED
from taskengine.media.ffmpeg import is_shortage, reason
from taskengine.media.tiles import (
    TileEntries,
    TileOptions,
    Tiles,
    joined,
    large_enough,
    make_tiles,
    playlist,
    shown,
)
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track
from taskengine.model import PermanentFailure
from taskengine.runtime.process import ProcessFailed


@dataclass(frozen=True, slots=True)
class ImageMaker:
    """Puts images and their playlists into the folder of a set; `stem` names its files, `notes` say
    what could not be made."""

    bench: Bench
    folder: Path
    tracks: Sequence[Track]
    stem: Callable[[str], str]
    notes: list[str]

    async def entries(
        self, wanted: TileOptions | TileEntries | None, given: Sequence[Tiles]
    ) -> TileEntries | None:
        """What manifests are to say of a track that is wanted, or made already, and of those whose
        files lie in the bench's folder; None: there is none."""
        made = await self._make(wanted) if isinstance(wanted, TileOptions) else wanted
        found = [made] if made is not None else []
        found += [await self._place(*one) for one in enumerate(given, 1)]
        return joined(found) if found else None

    async def _make(self, options: TileOptions) -> TileEntries | None:
        """None, with a note, if no pictures can be taken."""
        stem = f"{self.stem('tiles')}_tiles"
        decodable = [track for track in self.tracks if track.codec not in UNDECODED]
        try:
            video = large_enough(decodable, options.size)
            tiles = await make_tiles(self.bench, video, options, self.folder, stem)
        except PermanentFailure as failure:
            self.notes.append(str(failure))
            return None
        except ProcessFailed as failure:
            if is_shortage(failure):
                raise
            why = reason(failure, self.bench.folder / video.file, video.source or video.name)
            self.notes.append(f"trickplay_thumbnails cannot be made: {why}")
            return None
        return await self._shown(tiles, "tiles")

    async def _place(self, number: int, given: Tiles) -> TileEntries:
        """Under names of this set."""
        tiles = replace(given, stem=f"{self.stem(f'images-{number}')}_images")
        for old, new in zip(given.files, tiles.files, strict=True):
            await trio.Path(self.bench.folder / old).rename(self.folder / new)
        return await self._shown(tiles, f"images-{number}")

    async def _shown(self, tiles: Tiles, name: str) -> TileEntries:
        await trio.Path(self.folder / f"{tiles.stem}.m3u8").write_text(playlist(tiles))
        return shown(tiles, name)
