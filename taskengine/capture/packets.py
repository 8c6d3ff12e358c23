"""The packets of a stretch's file: when each picture is shown, and which segment holds it."""

from __future__ import annotations

import json
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from operator import lt
from pathlib import Path
from typing import Any, Final, overload

from taskengine.capture.model import Time
from taskengine.capture.pieces import Picture
from taskengine.media.ffmpeg import SAFE_INPUT
from taskengine.media.fragments import Header, read_samples
from taskengine.media.tools import Bench

SHOWN: Final = (
    "stream=index,codec_type,codec_name,profile,level,pix_fmt,width,height,time_base,r_frame_rate,"
    "avg_frame_rate,sample_rate,channels,channel_layout,color_range,color_space,color_transfer,"
    "color_primaries,sample_aspect_ratio,field_order:stream_tags=language"
)


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


async def pictures(bench: Bench, path: Path, stream: Format, sizes: Sequence[int]) -> Packets:
    """`sizes` are the bytes of what the file is put together of: the initialization (0 without
    one), then the segments."""
    command = [bench.tools.ffprobe, "-v", "error", *SAFE_INPUT, "-of", "csv=p=0"]
    command += ["-select_streams", str(stream.index), "-show_entries", "packet=pts,pos,flags"]
    rows = (await bench.run([*command, "-i", f"file:{path}"])).split()
    ends = list(accumulate(sizes))
    found: list[tuple[int, int, bool]] = []
    is_open, key = False, None
    for row in rows:
        pts, pos, flags = row.split(",")[:3]
        if pts == "N/A":
            continue
        is_key = "K" in flags
        if is_key:
            key = int(pts)
        elif key is not None and int(pts) < key:
            is_open = True
        segment = bisect_right(ends, int(pos)) - 1 if pos != "N/A" else 0
        found.append((int(pts), min(max(0, segment), len(sizes) - 2), is_key))
    found.sort()
    base = stream.time_base
    shown = tuple(Picture(pts * base, segment, is_key) for pts, segment, is_key in found)
    return Packets(
        shown,
        is_open,
        _firsts(shown, len(sizes) - 1),
        _firsts([one for one in shown if one.is_key], len(sizes) - 1),
    )


@dataclass(frozen=True, slots=True)
class PictureRow(Sequence[Picture]):
    """Pictures as columns: a day of them has its place in memory."""

    scale: int
    shown: array[int]  # ticks
    keys: bytearray
    ends: array[int]  # of each segment: the place after its last picture

    def __len__(self) -> int:
        return len(self.shown)

    @overload
    def __getitem__(self, place: int) -> Picture: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Picture]: ...
    def __getitem__(self, place: int | slice) -> Picture | Sequence[Picture]:
        if isinstance(place, slice):
            return [self[n] for n in range(len(self))[place]]
        place = range(len(self))[place]
        segment = bisect_right(self.ends, place)
        return Picture(Fraction(self.shown[place], self.scale), segment, bool(self.keys[place]))


def fragment_pictures(files: Sequence[Path], header: Header) -> Packets:
    """Of segments of fragmented MP4, by their heads alone. Blocking.

    Raises ValueError for what cannot be read so, or is not in order.
    """
    row = PictureRow(header.scale, array("q"), bytearray(), array("L"))
    starts: list[Time | None] = []
    keys: list[Time | None] = []
    is_open, key = False, None
    for path in files:
        samples = read_samples(path, header)
        for shown, is_key in zip(samples.shown, samples.keys, strict=True):
            key = shown if is_key else key
            is_open = is_open or (key is not None and shown < key)
        if any(map(lt, samples.shown, samples.decoded)):
            raise ValueError("pictures that are shown before they are decoded: tools move them")
        order = sorted(range(len(samples)), key=samples.shown.__getitem__)
        if order and row.shown and samples.shown[order[0]] <= row.shown[-1]:
            raise ValueError("segments that overlap")
        row.shown.extend(samples.shown[n] for n in order)
        row.keys.extend(samples.keys[n] for n in order)
        row.ends.append(len(row.shown))
        starts.append(Fraction(samples.shown[order[0]], header.scale) if order else None)
        own = [samples.shown[n] for n in order if samples.keys[n]]
        keys.append(Fraction(own[0], header.scale) if own else None)
    return Packets(row, is_open, tuple(starts), tuple(keys))


def _firsts(shown: Sequence[Picture], number: int) -> tuple[Time | None, ...]:
    found: dict[int, Time] = {}
    for picture in shown:
        found.setdefault(picture.segment, picture.media)
    return tuple(map(found.get, range(number)))
