"""A stored asset of HLS or DASH, read as a stream: its folder is the origin."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

import httpx
import trio

from taskengine.actions.context import Context
from taskengine.actions.cutting import Cut
from taskengine.actions.missing import Missing
from taskengine.actions.recorded import recorded
from taskengine.capture.clip import Clip
from taskengine.capture.model import SourceTrack
from taskengine.capture.web import Web
from taskengine.media.tracks import Track, arrange
from taskengine.model import BadInput
from taskengine.storage import FileNotStored, Folder, clean_folder

ORIGIN: Final = "http://asset.invalid/"  # RFC 2606: no host has this name
RANGE: Final = re.compile(r"bytes=(\d+)-(\d+)")
PIECE: Final = 1 << 20  # bytes


async def stream_tracks(context: Context, folder: Folder, manifest: str) -> list[Track]:
    """The tracks that a manifest of the folder offers, in files of the scratch folder."""
    client = httpx.AsyncClient(transport=StoredOrigin(folder, context.scratch / "origin"))
    async with client:
        asked = PicturesAndSound(0, (ORIGIN + quote(manifest),))
        clip = await recorded(context, asked, Web(client))
    work = Cut(context, accurate=True, missing=Missing(None), admitted=lambda track: True)
    return arrange(await work.tracks([clip.recording.folder]))


class PicturesAndSound(Clip):
    """A clip of everything but captions and images."""

    __slots__ = ()

    def chosen(self, tracks: Sequence[SourceTrack]) -> list[SourceTrack]:
        return super().chosen([track for track in tracks if track.type in ("video", "audio")])


@dataclass(slots=True)
class StoredOrigin(httpx.AsyncBaseTransport):
    """Answers requests with files of a folder; each is fetched once into `scratch`."""

    folder: Folder
    scratch: Path
    _local: dict[str, Path] = field(default_factory=dict)
    _fetching: trio.Lock = field(default_factory=trio.Lock)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host != httpx.URL(ORIGIN).host:
            return httpx.Response(404)
        try:
            path = await self._file(unquote(request.url.path))
        except (FileNotStored, BadInput):
            return httpx.Response(404)
        size = (await trio.Path(path).stat()).st_size
        wanted = RANGE.fullmatch(request.headers.get("range", ""))
        if wanted is None:
            return httpx.Response(200, stream=_Stretch(path, 0, size))
        first, last = int(wanted[1]), min(int(wanted[2]), size - 1)
        return httpx.Response(206, stream=_Stretch(path, first, max(0, last + 1 - first)))

    async def _file(self, name: str) -> Path:
        name = clean_folder("manifest", name)
        async with self._fetching:
            if name not in self._local:
                target = self.scratch / f"file-{len(self._local)}"
                await self.folder.fetch(name, target)
                self._local[name] = target
        return self._local[name]


@dataclass(slots=True)
class _Stretch(httpx.AsyncByteStream):
    """Some bytes of a file. No file stays open: whoever reads may go at any time."""

    path: Path
    place: int
    left: int

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await trio.to_thread.run_sync(self._read)
        if not piece:
            raise StopAsyncIteration
        self.place, self.left = self.place + len(piece), self.left - len(piece)
        return piece

    def _read(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.place)
            return file.read(min(self.left, PIECE))
