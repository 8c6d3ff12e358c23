"""One segment from one source: fetched, opened, checked, and kept in the recording."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trio

from taskengine.capture.checking import is_whole
from taskengine.capture.locks import Locks
from taskengine.capture.model import Fetched, Resource, Segment, SourceAway
from taskengine.capture.recording import Recording
from taskengine.capture.sources.smooth_init import timed
from taskengine.capture.web import Web

MAX_INIT: Final = 4 << 20  # bytes
MAX_SEGMENT: Final = 512 << 20  # bytes


@dataclass(slots=True)
class Fetcher:
    """Of one clip. Its methods raise SourceAway and SourceRefused."""

    web: Web
    recording: Recording
    scratch: Path
    locks: Locks
    _initializing: trio.Lock = field(default_factory=trio.Lock)
    _files: int = 0

    async def take(self, track: str, source: int, segment: Segment) -> None:
        self._files += 1
        path = self.scratch / f"segment-{self._files}"
        try:
            size = await self.web.download(segment.media, path, MAX_SEGMENT)
            clear = await self.locks.opened(segment, path)
            if segment.form == "smooth":
                body = await trio.Path(path).read_bytes()
                await trio.Path(path).write_bytes(_timed(body, segment.number))
            if problem := await trio.to_thread.run_sync(is_whole, path, segment.form):
                raise SourceAway(problem)
            async with self._initializing:  # each is fetched once, by whoever comes first
                init = await self._init(track, segment)
            file = self.recording.name_for(track, source, segment)
            await self.recording.keep(Fetched(track, source, clear, file, init, size), path)
        finally:
            path.unlink(missing_ok=True)

    async def _init(self, track: str, segment: Segment) -> str:
        match segment.init:
            case None:
                return ""
            case bytes() as content:
                return await self.recording.keep_init(track, "", content)
            case Resource() as resource:
                made_of = f"{track}|{resource}"
                if (known := self.recording.inits.get(made_of)) is not None:
                    return known
                answer = await self.web.get(resource, MAX_INIT)
                body = await self.locks.opened_init(segment, answer.body)
                return await self.recording.keep_init(track, made_of, body)


def _timed(body: bytes, time: int) -> bytes:
    try:
        return timed(body, time)
    except (ValueError, struct.error) as error:
        raise SourceAway(f"a fragment that cannot be read: {error}") from None
