"""What the index of an MP4 file says (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction

from taskengine.capture.model import UNREADABLE, SourceRefused, Time
from taskengine.media.boxes import boxes

MAX_REFERENCES = 100_000


def sidx(data: bytes, offset: int) -> tuple[tuple[int, int, Time, Time], ...]:
    """Offset, size, start and duration of each segment that an index lists (8.16.3); `offset` is
    where the index begins in its file. Raises SourceRefused."""
    try:
        for kind, start, end in boxes(data):
            if kind == b"sidx":
                return tuple(_references(data, start, end, offset + end))
    except UNREADABLE as error:
        raise SourceRefused(f"its index cannot be read: {error}") from None
    raise SourceRefused("its index holds no sidx box")


def _references(
    data: bytes, start: int, end: int, following: int
) -> Iterator[tuple[int, int, Time, Time]]:
    version = data[start]
    scale = struct.unpack_from(">I", data, start + 8)[0]
    layout = ">QQ" if version else ">II"
    time, gap = struct.unpack_from(layout, data, start + 12)
    place = start + 12 + struct.calcsize(layout)
    [number] = struct.unpack_from(">H", data, place + 2)
    if not scale or number > MAX_REFERENCES or place + 4 + 12 * number > end:
        raise ValueError("its numbers do not fit")
    at = following + gap
    for n in range(number):
        size, length, _ = struct.unpack_from(">III", data, place + 4 + 12 * n)
        if size >> 31:
            raise SourceRefused("its index names other indexes")
        yield at, size, Fraction(time, scale), Fraction(length, scale)
        at, time = at + size, time + length
