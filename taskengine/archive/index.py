"""Reading an archive: what it has of a range, by the names of its files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from taskengine.archive.chapters import SECONDS, Chapter, chapter_of, named_chapters
from taskengine.archive.segments import ArchivedSegment, microseconds, parse_segment, seconds
from taskengine.capture.clip import Range
from taskengine.capture.demand import LONGEST_SEGMENT, TOLERANCE
from taskengine.capture.model import Signal, SourceTrack, Time
from taskengine.capture.noting import Noted
from taskengine.capture.recording import Recording
from taskengine.storage import Folder

FOLDER: Final = "archive"  # of all archives, below the root of sources
ABOUT: Final = "archive.json"  # in an archive's folder

NEAR: Final = microseconds(TOLERANCE)

Placed = tuple[Chapter, ArchivedSegment]


@dataclass(slots=True)
class ArchivedRange:
    """What an archive has of a range: tracks by name, and their segments in order, none twice."""

    tracks: dict[str, SourceTrack] = field(default_factory=dict)
    segments: dict[str, list[Placed]] = field(default_factory=dict)
    signals: list[Signal] = field(default_factory=list)

    @property
    def end(self) -> Time:
        """Up to when all tracks are there."""
        ends = [own[-1][1].end for own in self.segments.values() if own]
        return seconds(min(ends, default=0))


@dataclass(frozen=True, slots=True)
class ArchiveIndex:
    """Of the archive in a folder; texts are fetched into `scratch`."""

    folder: Folder
    scratch: Path

    async def read(self, start: Time, end: Time, oldest: Time) -> ArchivedRange:
        """What there is of `[start, end)` and ended after `oldest`."""
        found = ArchivedRange()
        last = chapter_of(end + 1)
        for chapter in named_chapters(await self.folder.folders()):
            if chapter_of(start - LONGEST_SEGMENT - SECONDS) < chapter <= last:
                await self._read(chapter, found)
        first, last_end = microseconds(max(start, oldest)) + NEAR, microseconds(end) - NEAR
        for name, own in found.segments.items():
            kept = [one for one in own if one[1].start < last_end and one[1].end > first]
            found.segments[name] = list(_once(sorted(kept, key=_order)))
        return found

    async def about(self) -> Mapping[str, object]:
        """What its job has said of it: `retention`, `profiles`; empty if it never ran."""
        said = await Recording(self.folder, self.scratch, "").read_note(ABOUT)
        return json.loads(said) if said is not None else {}

    async def _read(self, chapter: Chapter, found: ArchivedRange) -> None:
        recording = Recording(self.folder.below(chapter.folder), self.scratch, "")
        said = await recording.read_note("clip.json")
        if said is None:
            return
        for name, track in Range.of_json(json.loads(said)).tracks.items():
            found.tracks.setdefault(name, track)
        for file in await recording.stored_files():
            if (one := parse_segment(file.name, file.size)) is not None:
                found.segments.setdefault(one.track, []).append((chapter, one))
        noted = Noted(recording)
        await noted.load()
        found.signals += noted.signals


def _order(placed: Placed) -> tuple[int, int]:
    return placed[1].start, placed[1].source


def _once(ordered: Sequence[Placed]) -> Iterator[Placed]:
    """Without those that another one stands for: of two sources, or stored by two jobs."""
    last: int | None = None
    for placed in ordered:
        one = placed[1]
        if last is None or one.start >= last - NEAR:
            last = one.end
            yield placed
