"""A chapter as it is recorded: what a capture keeps in a workspace, kept under names that last.

It takes the place of a capture's Recording, whose index is a row of pages: here the names are the
index, so that nothing that was stored is ever unlisted, whenever the process is killed.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import trio

from taskengine.archive.chapters import Chapter
from taskengine.archive.segments import ArchivedSegment, archived, parse_segment, run_of, seconds
from taskengine.capture.model import FRAGMENTS, Fetched, Resource, Segment, Signal
from taskengine.capture.recording import Recording, key_of_segment
from taskengine.capture.signals import signal_of
from taskengine.capture.sources.events import Emsg, messages
from taskengine.media.boxes import HANDLERS, boxes, inner
from taskengine.media.edits import settle_fragments, take_edits
from taskengine.media.fragments import Header, read_header, read_samples
from taskengine.model import PermanentFailure

COMPLETE: Final = "complete.json"  # beside the segments: the range of which no more will come


class NotArchived(PermanentFailure):
    """A stream that no archive takes; the message says why."""


Hear = Callable[[int, list[Signal]], Awaitable[None]]  # of a source


@dataclass(slots=True)
class ArchiveRecording(Recording):
    """The segments of one chapter, in its folder. Raises NotArchived for a stream that is not
    of tracks in fragmented MP4 of their own."""

    chapter: Chapter = field(kw_only=True)
    hear: Hear | None = None  # what is told of messages inside segments
    headers: dict[str, Header] = field(default_factory=dict)  # by file of the initialization
    early: dict[str, Mapping[int, int]] = field(default_factory=dict)  # likewise: by track of it

    async def load(self) -> None:
        """What lies there, whoever stored it."""
        for file in await self.stored_files():
            if (one := parse_segment(file.name, file.size)) is not None:
                self.remember(_fetched(one))

    def has(self, track: str, source: int, segment: Segment) -> bool:
        return key_of_segment(track, source, _as_archived(segment)) in self.fetched

    async def keep_init(self, track: str, content: bytes) -> str:
        """Without edit lists of pictures: these are shown without it, and behind other ones."""
        settled = bytearray(content)
        try:
            early = take_edits(settled)
        except (ValueError, struct.error, IndexError):  # what is wrong is said below
            early = {}
        name = await Recording.keep_init(self, track, bytes(settled))
        if name not in self.headers:
            self.headers[name] = _header(track, bytes(settled))
            self.early[name] = early
        return name

    async def keep(self, one: Fetched, path: Path) -> None:
        """Store a segment's file, if it begins in this chapter: another one has it else."""
        if not self.chapter.holds(one.start):
            return
        if one.segment.form not in FRAGMENTS or one.init_file not in self.headers:
            raise NotArchived(
                f"{one.track}: expected segments of fragmented MP4, got {one.segment.form}"
            )
        header = self.headers[one.init_file]
        early = self.early[one.init_file]
        found, said = await trio.to_thread.run_sync(_looked_into, one, path, header, early)
        if self.hear is not None and said:
            await self.hear(one.source, said)
        await self.folder.hand_over(path, found.file)
        self.remember(_fetched(found))

    async def write_page(self) -> None:
        """There are none."""


def _looked_into(
    one: Fetched, path: Path, header: Header, early: Mapping[int, int]
) -> tuple[ArchivedSegment, list[Signal]]:
    """When its media is shown, and what it says of advertising; from then on the file itself says
    when. Blocking."""
    try:
        if any(early.values()):
            settle_fragments(path, early)
        samples = read_samples(path, header)
    except (ValueError, struct.error) as error:
        raise NotArchived(f"{one.track}: {error}") from None
    if not samples:
        raise NotArchived(f"{one.track}: a segment without samples of its track")
    time, ticks = min(samples.shown), sum(samples.lengths)
    said = [_signal(emsg, one, Fraction(time, header.scale)) for emsg in messages(path, str)]
    return archived(one, time, ticks), [signal for signal in said if signal is not None]


def _signal(said: Emsg, one: Fetched, media: Fraction) -> Signal | None:
    """On the timeline; `media` is the time of the segment's own media, seconds."""
    if said.message is None:
        return None
    time = one.start + said.time - (0 if said.is_delta else media)
    return signal_of(said.message, time, name=said.id, duration=said.duration)


def _header(track: str, content: bytes) -> Header:
    """Of an initialization with one track."""
    moov = inner(content, "moov") or (0, 0)
    tracks = sum(kind == b"trak" for kind, *_ in boxes(content, *moov))
    if tracks != 1:
        raise NotArchived(f"{track}: expected segments with one track each, got {tracks}")
    try:
        return read_header(content, HANDLERS[track.partition("-")[0]])
    except (ValueError, KeyError) as error:
        raise NotArchived(f"{track}: {error}") from None


def _as_archived(segment: Segment) -> Segment:
    """With the name of its run that files have."""
    return replace(segment, run=run_of(segment))


def _fetched(one: ArchivedSegment) -> Fetched:
    times = seconds(one.start), seconds(one.length)
    segment = Segment(one.number, *times, Resource(""), run=one.run)
    return Fetched(one.track, one.source, segment, one.file, one.init_file, one.size)
