"""Segments of an archive: their names say what they are, so that a listing is the whole index.

    <track>/<source>_<run>_<number>_<start>_<length>_<time>_<ticks>_<init>.m4s

A file appears whole or not at all, and with it its entry: no index has to be written beside it.
`start` and `length` are microseconds of the stream's timeline, `time` and `ticks` those of the
media, in units of the initialization `<track>/init-<init>.mp4`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from taskengine.capture.model import Fetched, Segment, Time
from taskengine.capture.recording import digest

SECOND: Final = 1_000_000  # microseconds
NAME: Final = re.compile(
    r"(?P<track>(?:video|audio)-[0-9]+)/(?P<source>[0-9]+)_(?P<run>[0-9a-f]{16})_(?P<number>[0-9]+)"
    r"_(?P<start>[0-9]+)_(?P<length>[0-9]+)_(?P<time>-?[0-9]+)_(?P<ticks>[0-9]+)"
    r"_(?P<init>[0-9a-f]{16})\.m4s"
)


@dataclass(frozen=True, slots=True)
class ArchivedSegment:
    """A segment that lies in a chapter of an archive. `run` is the same for those that can be put
    together as they are, `init` tells its initialization. Times of the stream's clock are whole
    microseconds since 1970: there are thousands to be compared."""

    track: str
    source: int
    run: str
    number: int
    start: int
    length: int  # as the manifest declared it
    time: int  # when its media is first shown, in ticks
    ticks: int  # how long its media lasts
    init: str
    size: int = field(default=0, compare=False)  # bytes

    @property
    def end(self) -> int:
        return self.start + self.length

    @property
    def middle(self) -> int:
        return self.start + self.length // 2

    @property
    def file(self) -> str:
        """Its name, below the chapter's folder."""
        told = (self.number, self.start, self.length, self.time, self.ticks, self.init)
        return f"{self.track}/{self.source}_{self.run}_{'_'.join(map(str, told))}.m4s"

    @property
    def init_file(self) -> str:
        return f"{self.track}/init-{self.init}.mp4"

    def follows(self, other: ArchivedSegment, within: int) -> bool:
        """Whether it continues another one, on the timeline and in its media, up to so many
        microseconds."""
        late = abs(self.time - other.time - other.ticks) * other.length
        is_next = abs(self.start - other.end) <= within
        return self.init == other.init and is_next and late <= within * other.ticks


def archived(one: Fetched, time: int, ticks: int) -> ArchivedSegment:
    """What was fetched, as an archive has it; its initialization was kept under its digest."""
    segment, init = one.segment, one.init_file.rpartition("init-")[2].removesuffix(".mp4")
    start, length = microseconds(segment.start), microseconds(segment.duration)
    run = run_of(segment)
    return ArchivedSegment(
        one.track, one.source, run, segment.number, start, length, time, ticks, init, one.size
    )


def parse_segment(name: str, size: int = 0) -> ArchivedSegment | None:
    """What the name of a file says, None if it is no segment's."""
    found = NAME.fullmatch(name)
    if found is None:
        return None
    track, source, run, number, start, length, time, ticks, init = found.groups()
    numbers = int(number), int(start), int(length), int(time), int(ticks)
    return ArchivedSegment(track, int(source), run, *numbers, init, size)


def microseconds(value: Time) -> int:
    return round(value * SECOND)


def seconds(value: int) -> Time:
    """Of microseconds, as the rest of the engine counts."""
    return Fraction(value, SECOND)


def run_of(segment: Segment) -> str:
    return digest(segment.run.encode())
