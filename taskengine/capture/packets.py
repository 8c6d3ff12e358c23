"""The packets of a stretch's file: when each picture is shown, and which segment holds it."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from taskengine.capture.model import Time
from taskengine.capture.pieces import Picture
from taskengine.media.ffmpeg import SAFE_INPUT
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

    pictures: tuple[Picture, ...]
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


def _firsts(shown: Sequence[Picture], number: int) -> tuple[Time | None, ...]:
    found: dict[int, Time] = {}
    for picture in shown:
        found.setdefault(picture.segment, picture.media)
    return tuple(map(found.get, range(number)))
