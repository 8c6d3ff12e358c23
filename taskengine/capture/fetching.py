"""One segment from one source: fetched, opened, checked, and kept in the recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import trio

from taskengine.capture.checking import is_whole
from taskengine.capture.encryption.files import Head
from taskengine.capture.locks import Locks
from taskengine.capture.model import UNREADABLE, Fetched, Resource, Segment, SourceAway
from taskengine.capture.recording import Recording
from taskengine.capture.sources.smooth_init import timed
from taskengine.capture.web import Web

MAX_INIT: Final = 4 << 20  # bytes
MAX_SEGMENT: Final = 512 << 20  # bytes
MAX_HEADS: Final = 64 << 20  # bytes of initializations that are remembered
SMALLEST_LIMIT: Final = 16 << 20  # bytes that each segment may have
TOGETHER: Final = 64  # initializations that may be fetched at once
LARGER: Final = 10  # times more than declared: peaks, and other tracks in the same file


@dataclass(slots=True)
class Fetcher:
    """Of one clip. Its methods raise SourceAway and SourceRefused."""

    web: Web
    recording: Recording
    scratch: Path
    locks: Locks
    bitrates: dict[str, int] = field(default_factory=dict)  # declared, by track; bits a second
    _initializing: Sequence[trio.Lock] = field(
        default_factory=lambda: [trio.Lock() for _ in range(TOGETHER)]
    )
    _files: int = 0
    _heads: dict[str, tuple[Head, str]] = field(default_factory=dict)

    async def take(self, track: str, source: int, segment: Segment) -> None:
        turn = self._initializing[hash(segment.init) % TOGETHER]
        async with turn:  # each is fetched once, by whoever comes first
            head, init = await self._init(track, source, segment)
        file = self.recording.name_for(track, source, segment)
        clear = replace(segment, encryption=None)
        if (size := await self.recording.finds(file, segment.form)) is not None:
            self.recording.note(Fetched(track, source, clear, file, init, size))
            return
        self._files += 1
        path = self.scratch / f"segment-{self._files}"
        try:
            await self._download(track, source, segment, path)
            await self.locks.open_samples(source, segment, path, head)
            size = path.stat().st_size
            await self.recording.keep(Fetched(track, source, clear, file, init, size), path)
        finally:
            path.unlink(missing_ok=True)

    async def _download(self, track: str, source: int, segment: Segment, path: Path) -> None:
        """The segment as its packager made it, all of it."""
        limit, check = self._limit(track, segment), partial(_whole, segment)
        if not self.locks.is_whole(segment):
            await self.web.download(segment.media, path, limit, check)
            return
        await self.web.download(segment.media, path, limit)
        await self.locks.open_whole(source, segment, path)
        if problem := await trio.to_thread.run_sync(check, path):
            raise SourceAway(problem)

    async def _init(self, track: str, source: int, segment: Segment) -> tuple[Head, str]:
        """In the clear, and the name that the recording has for it."""
        if segment.init is None:
            return Head(), ""
        key_id = segment.encryption.key_id if segment.encryption else ""
        made_of = f"{track}|{key_id}|{segment.init!r}"
        if made_of not in self._heads:
            body = segment.init
            if isinstance(body, Resource):
                body = (await self.web.get(body, MAX_INIT)).body
            head = await self.locks.open_head(source, segment, body)
            name = await self.recording.keep_init(track, head.content)
            self._remember(made_of, head, name)
            return head, name
        return self._heads[made_of]

    def _remember(self, made_of: str, head: Head, name: str) -> None:
        """The oldest are forgotten: they can be fetched again."""
        self._heads[made_of] = head, name
        while len(self._heads) > 1 and self._held() > MAX_HEADS:
            del self._heads[next(iter(self._heads))]

    def _held(self) -> int:
        return sum(len(key) + len(head.content) for key, (head, _) in self._heads.items())

    def _limit(self, track: str, segment: Segment) -> int:
        """Bytes: by the bitrate that the manifest declares, generously."""
        declared = LARGER * self.bitrates.get(track, 0) / 8 * float(segment.duration)
        return int(min(max(SMALLEST_LIMIT, declared), MAX_SEGMENT)) if declared else MAX_SEGMENT


def _whole(segment: Segment, path: Path) -> str:
    """Why its file is not; empty if it is. A chunk of Smooth Streaming gets the time that its
    manifest tells. Blocking."""
    if segment.form == "smooth":
        try:
            path.write_bytes(timed(path.read_bytes(), segment.number))
        except UNREADABLE as error:
            return f"a fragment that cannot be read: {error}"
    return is_whole(path, segment.form)
