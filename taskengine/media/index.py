"""The index of a packaged file, `sidx` (ISO/IEC 14496-12, 8.16.3): how long its media lasts, and
where its subsegments lie."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from taskengine.media.boxes import file_boxes
from taskengine.media.rates import Rate

ROW = 12  # bytes of a subsegment


@dataclass(frozen=True, slots=True)
class Index:
    """Of one file: bytes before the index and of it, and of each subsegment, in their order, its
    bytes and its ticks of `scale` a second."""

    place: int
    size: int
    scale: int
    rows: Sequence[tuple[int, int]]

    @property
    def seconds(self) -> Fraction:
        return Fraction(sum(ticks for _, ticks in self.rows), self.scale)

    @property
    def bitrate(self) -> Rate:
        """Raises ValueError if nothing lasts."""
        lasting = [Fraction(8 * size * self.scale, ticks) for size, ticks in self.rows if ticks]
        if not lasting:
            raise ValueError("its index says that it lasts no time")
        bits = 8 * sum(size for size, _ in self.rows)
        return Rate(math.ceil(max(lasting)), math.ceil(bits / self.seconds))


def read_index(path: Path) -> Index:
    """Of a file with one index. Blocking. Raises ValueError."""
    with path.open("rb") as file:
        for kind, place, start, end in file_boxes(file, path.stat().st_size):
            if kind == b"sidx":
                file.seek(start)
                return _index(file.read(end - start), place, end - place)
    raise ValueError("it has no index")


def indexed_duration(path: Path) -> float:
    """Seconds of all subsegments of a file with one index. Blocking. Raises ValueError."""
    return float(read_index(path).seconds)


def _index(data: bytes, begin: int, size: int) -> Index:
    try:
        [scale] = struct.unpack_from(">I", data, 8)
        place = 28 if data[0] else 20  # behind the first time and offset, of 8 bytes or of 4
        [count] = struct.unpack_from(">H", data, place + 2)
        found = [
            struct.unpack_from(">II", data, row)
            for row in range(place + 4, place + 4 + ROW * count, ROW)
        ]
        rows = [(length & 0x7FFFFFFF, ticks) for length, ticks in found]
        Fraction(1, scale)
        return Index(begin, size, scale, rows)
    except (struct.error, IndexError, ZeroDivisionError):
        raise ValueError("its index cannot be read") from None
