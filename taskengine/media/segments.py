"""A film in segments that are encoded one by one: cut between pictures, each one a closed group of
pictures or more, so that all of them put together are what one run would have made."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Final

from taskengine.media.encoding import GROUP, PictureRange
from taskengine.media.ffmpeg import SAFE_INPUT
from taskengine.media.tools import Bench

JUMP: Final = 10  # seconds between two pictures, from which on tools count anew
MAX_PICTURES: Final = 10_000_000  # two days of 60 a second


@dataclass(frozen=True, slots=True)
class FilmSegment:
    """So many pictures of a film; `start` and `last` are the times of the first and the last one,
    `length` is how long it lasts. All are in seconds, and times are those of the file."""

    number: int
    start: Fraction
    last: Fraction
    length: Fraction
    pictures: int
    cut: PictureRange

    @property
    def name(self) -> str:
        return f"{self.number:05}"

    @property
    def near(self) -> Fraction:
        """Less than from one picture to the next, and more than encoders round times by."""
        return self.length / self.pictures * Fraction(3, 4)


@dataclass(slots=True)
class PictureTimes:
    """When the pictures of a stream are shown, in ticks of `base` seconds, as a tool lists them.
    `digest` tells a film from another one."""

    times: array[int] = field(default_factory=lambda: array("q"))
    base: Fraction = Fraction(0)
    is_timed: bool = True  # each of them states its time
    _read: hashlib._Hash = field(default_factory=hashlib.sha256)

    async def take(self, line: str) -> None:
        """A line of ffprobe: `packet,<time>,<size>,<flags>` or `stream,<base>`."""
        kind, *said = line.strip().split(",")
        self._read.update(line.encode())
        if kind == "stream":
            self.base = Fraction(said[0])
        elif kind == "packet" and "D" not in said[2]:  # those are decoded, and not shown
            self.is_timed &= said[0] != "N/A" and len(self.times) < MAX_PICTURES
            if self.is_timed:
                self.times.append(int(said[0]))

    @property
    def digest(self) -> str:
        return self._read.hexdigest()


async def picture_times(bench: Bench, path: Path, stream: int) -> PictureTimes:
    """Of the pictures of a stream, in the order in which they are shown. All of it is read."""
    found = PictureTimes()
    shown = ("-show_entries", "packet=pts,size,flags:stream=time_base", "-of", "csv")
    command = [bench.tools.ffprobe, "-v", "error", *SAFE_INPUT, "-select_streams", str(stream)]
    await bench.run([*command, *shown, "-i", f"file:{path}"], on_line=found.take)
    found.times = array("q", sorted(found.times))
    return found


def segments(
    found: PictureTimes, zero: float, duration: float, seconds: float
) -> list[FilmSegment]:
    """The segments of a film that begins at `zero`, each of so many seconds or, the last one, up to
    twice as many. None for what is encoded in one piece: a short film, or one whose pictures state
    no times, or such that jump."""
    step = max(1, ceil(seconds / GROUP)) * GROUP
    if duration < 2 * step or not _is_steady(found):
        return []
    times, base = found.times, found.base
    begins = round(Fraction(zero) / base)
    grid = range(0, int(duration // step) * step, step)
    firsts = [bisect_left(times, begins + Fraction(at) / base) for at in grid[1:]]
    places = [0, *firsts, len(times)]
    if any(first >= behind for first, behind in pairwise(places)):  # nothing is shown for so long
        return []
    return [
        _segment(number, found, begins, at, *place)
        for number, (at, place) in enumerate(zip(grid, pairwise(places), strict=True))
    ]


def _is_steady(found: PictureTimes) -> bool:
    gaps = (after - before for before, after in pairwise(found.times))
    return found.is_timed and bool(found.base) and all(gap * found.base < JUMP for gap in gaps)


def _segment(
    number: int, found: PictureTimes, begins: int, at: int, first: int, behind: int
) -> FilmSegment:
    """The pictures in `[first, behind)`; `at` is the time in the film that it begins with."""
    times, base = found.times, found.base
    start = begins if number == 0 else times[first]
    is_last = behind == len(times)
    end = 2 * times[-1] - times[-2] if is_last else times[behind]
    return FilmSegment(
        number,
        start * base,
        times[behind - 1] * base,
        (end - start) * base,
        behind - first,
        PictureRange(
            float(start * base),
            low=None if number == 0 else float(_between(times, first) * base),
            high=None if is_last else float(_between(times, behind) * base),
            grid=float(at + (begins - start) * base),
        ),
    )


def _between(times: Sequence[int], place: int) -> Fraction:
    """A time between that of a picture and that of the one before."""
    return Fraction(times[place - 1] + times[place], 2)
