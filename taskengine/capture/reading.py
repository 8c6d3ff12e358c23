"""What reads of a clip's pictures and of its sound have in common: files, formats, statements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import trio

from taskengine.capture.assembly import Assembler
from taskengine.capture.clock import Statement
from taskengine.capture.model import FRAGMENTS, Fetched, Time
from taskengine.capture.packets import Format, Packets, fragment_pictures
from taskengine.media.fragments import Header
from taskengine.media.tools import Bench


@dataclass(slots=True)
class TrackReader(ABC):
    """Reads one track of one clip. `known` are formats by initialization."""

    telling: ClassVar[int]  # segments that tell a stream's format

    bench: Bench
    assembler: Assembler
    label: str  # of its files
    known: dict[str, Format] = field(default_factory=dict)
    _files: int = field(default=0, init=False)

    def _path(self, suffix: str) -> Path:
        self._files += 1
        return self.bench.folder / f"{self.label}-{self._files}.{suffix}"

    @abstractmethod
    async def _own(self, raw: Path) -> list[Format]:
        """The streams of its kind in a file."""

    async def format(self, segments: Sequence[Fetched]) -> Format | None:
        """What the first segments are, None if nothing of its kind is in them; tools are asked
        once for each initialization."""
        name = segments[0].init_file.rpartition("/")[2]
        if name in self.known:
            return self.known[name]
        raw = self._path("raw")
        await self.assembler.put_together(segments[: self.telling], raw)
        found = await self._own(raw)
        raw.unlink()
        if found and name:
            self.known[name] = found[0]
        return found[0] if found else None

    async def _initialization(self, segments: Sequence[Fetched]) -> bytes | None:
        """None if these are no fragments, whose heads tell their packets."""
        name = segments[0].init_file
        if not name or segments[0].segment.form not in FRAGMENTS:
            return None
        return await self.assembler.read(name)

    async def _packets(self, segments: Sequence[Fetched], header: Header) -> Packets | None:
        """By the heads of fragments; None if tools have to look at it."""
        files = await self.assembler.files(segments)
        try:
            return await trio.to_thread.run_sync(fragment_pictures, files, header)
        except ValueError:
            return None


def statements(
    segments: Sequence[Fetched], times: Sequence[Time | None], shift: Time = Fraction(0)
) -> list[Statement]:
    """What the manifest says of segments whose first packets have these times in the file, and
    the first one's time if it says nothing."""
    return [
        Statement(media + shift, one.start)
        for place, (one, media) in enumerate(zip(segments, times, strict=True))
        if media is not None and (one.segment.stated or place == 0)
    ]
