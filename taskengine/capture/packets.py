"""The packets of a stretch's file: when each picture is shown, and which segment holds it."""

from __future__ import annotations

import json
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from operator import lt
from pathlib import Path
from typing import Any, Final, overload

import trio

from taskengine.capture.model import Time
from taskengine.capture.pieces import Picture
from taskengine.media.ffmpeg import SAFE_INPUT
from taskengine.media.fragments import Header, read_samples
from taskengine.media.tools import Bench
from taskengine.model import PermanentFailure

SHOWN: Final = (
    "stream=index,codec_type,codec_name,profile,level,pix_fmt,width,height,time_base,r_frame_rate,"
    "avg_frame_rate,sample_rate,channels,channel_layout,color_range,color_space,color_transfer,"
    "color_primaries,sample_aspect_ratio,field_order:stream_tags=language"
)

MAX_PICTURES: Final = 10_000_000  # of a track: two days of 60 a second


class TooManyPictures(PermanentFailure):
    """A track has more pictures than are taken."""

    def __init__(self) -> None:
        super().__init__(f"a track has more than {MAX_PICTURES} pictures or packets of sound")


@dataclass(frozen=True, slots=True)
class Format:
    """What a stream is, as the tools name it."""

    index: int
    type: str
    codec: str
    said: dict[str, Any]

    @property
    def time_base(self) -> Fraction:
        return Fraction(self.said["time_base"])

    @property
    def is_readable(self) -> bool:
        """Pictures that a decoder understands and takes: not of absurd size, for instance."""
        return self.type == "video" and self.said.get("pix_fmt", "unknown") != "unknown"

    @property
    def frame_rate(self) -> Fraction:
        for name in ("r_frame_rate", "avg_frame_rate"):
            above, _, below = str(self.said.get(name, "0/0")).partition("/")
            if int(above or 0) and int(below or 0):
                return Fraction(int(above), int(below))
        return Fraction(25)

    @property
    def likeness(self) -> tuple[object, ...]:
        """The same for streams whose packets can stand in one track."""
        names = ("codec_name", "width", "height", "pix_fmt", "sample_rate", "channels")
        return tuple(self.said.get(name) for name in names)


async def formats(bench: Bench, path: Path) -> list[Format]:
    command = [bench.tools.ffprobe, "-v", "error", *SAFE_INPUT, "-show_entries", SHOWN]
    said = json.loads(await bench.run([*command, "-of", "json", "-i", f"file:{path}"]))
    return [
        Format(one["index"], one.get("codec_type", ""), one.get("codec_name", ""), one)
        for one in said.get("streams", [])
    ]


@dataclass(frozen=True, slots=True)
class Packets:
    """Of the pictures of one file, in the order in which they are shown."""

    pictures: Sequence[Picture]
    is_open: bool  # a segment's first pictures need the segment before
    starts: tuple[Time | None, ...]  # of each segment: when its first picture is shown
    keys: tuple[Time | None, ...]  # and its first keyframe, seconds in the file


@dataclass(frozen=True, slots=True)
class PictureRow(Sequence[Picture]):
    """Pictures as columns: a day of them has its place in memory."""

    scale: int
    shown: array[int] = field(default_factory=lambda: array("q"))  # ticks
    segments: array[int] = field(default_factory=lambda: array("I"))
    keys: bytearray = field(default_factory=bytearray)

    def __len__(self) -> int:
        return len(self.shown)

    @overload
    def __getitem__(self, place: int) -> Picture: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Picture]: ...
    def __getitem__(self, place: int | slice) -> Picture | Sequence[Picture]:
        if isinstance(place, slice):
            return [self[n] for n in range(len(self))[place]]
        media = Fraction(self.shown[place], self.scale)
        return Picture(media, self.segments[place], bool(self.keys[place]))

    def add(self, shown: int, segment: int, *, is_key: bool) -> None:
        """Raises TooManyPictures."""
        if len(self.shown) >= MAX_PICTURES:
            raise TooManyPictures
        self.shown.append(shown)
        self.segments.append(segment)
        self.keys.append(is_key)

    def ordered(self) -> PictureRow:
        """As they are shown."""
        order = sorted(range(len(self)), key=lambda n: (self.shown[n], self.segments[n]))
        shown, segments = (array(row.typecode, (row[n] for n in order))
                           for row in (self.shown, self.segments))  # fmt: skip
        return PictureRow(self.scale, shown, segments, bytearray(self.keys[n] for n in order))

    def firsts(self, number: int, *, keys: bool = False) -> tuple[Time | None, ...]:
        """When the first picture, or keyframe, of each of so many segments is shown."""
        found: dict[int, Time] = {}
        for place, segment in enumerate(self.segments):
            if segment not in found and (self.keys[place] or not keys):
                found[segment] = Fraction(self.shown[place], self.scale)
        return tuple(map(found.get, range(number)))


async def pictures(bench: Bench, path: Path, stream: Format, sizes: Sequence[int]) -> Packets:
    """`sizes` are the bytes of what the file is put together of: the initialization (0 without
    one), then the segments. Raises TooManyPictures."""
    command = [bench.tools.ffprobe, "-v", "error", *SAFE_INPUT, "-of", "csv=p=0"]
    command += ["-select_streams", str(stream.index), "-show_entries", "packet=pts,pos,flags"]
    listing = _Listing(stream.time_base, list(accumulate(sizes)))
    await bench.run([*command, "-i", f"file:{path}"], on_line=listing.take)
    return await trio.to_thread.run_sync(listing.packets)


@dataclass(slots=True)
class _Listing:
    """What ffprobe lists, line by line as it comes: hours of it are too much for one answer."""

    base: Fraction
    ends: Sequence[int]  # of the initialization and of the segments, in the file
    row: PictureRow = field(init=False)
    is_open: bool = False
    _key: int | None = None  # when the last keyframe is shown

    def __post_init__(self) -> None:
        self.row = PictureRow(self.base.denominator)

    async def take(self, line: str) -> None:
        said = line.strip().split(",")
        if len(said) < 3 or said[0] == "N/A":
            return
        shown, is_key = int(said[0]) * self.base.numerator, "K" in said[2]
        if is_key:
            self._key = shown
        self.is_open |= self._key is not None and shown < self._key
        place = bisect_right(self.ends, int(said[1])) - 1 if said[1] != "N/A" else 0
        self.row.add(shown, min(max(0, place), len(self.ends) - 2), is_key=is_key)

    def packets(self) -> Packets:
        row, number = self.row.ordered(), len(self.ends) - 1
        return Packets(row, self.is_open, row.firsts(number), row.firsts(number, keys=True))


def fragment_pictures(files: Sequence[Path], header: Header) -> Packets:
    """Of segments of fragmented MP4, by their heads alone. Blocking.

    Raises ValueError for what cannot be read so, or is not in order, and TooManyPictures.
    """
    row = PictureRow(header.scale)
    is_open, key = False, None
    for number, path in enumerate(files):
        samples = read_samples(path, header)
        for shown, is_key in zip(samples.shown, samples.keys, strict=True):
            key = shown if is_key else key
            is_open = is_open or (key is not None and shown < key)
        if any(map(lt, samples.shown, samples.decoded)):
            raise ValueError("pictures that are shown before they are decoded: tools move them")
        order = sorted(range(len(samples)), key=samples.shown.__getitem__)
        if order and row.shown and samples.shown[order[0]] <= row.shown[-1]:
            raise ValueError("segments that overlap")
        for n in order:
            row.add(samples.shown[n], number, is_key=bool(samples.keys[n]))
    return Packets(row, is_open, row.firsts(len(files)), row.firsts(len(files), keys=True))
