"""Boxes of MP4 files (ISO/IEC 14496-12), and what the index of a file says."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from mmap import mmap

from taskengine.capture.model import SourceRefused, Time

MAX_REFERENCES = 100_000
LARGE, TO_THE_END = 1, 0  # sizes that say something else than a size


def boxes(
    data: bytes | bytearray | mmap, start: int = 0, end: int | None = None
) -> Iterator[tuple[bytes, int, int]]:
    """Type, first byte of the content and end of each box. Raises ValueError for what is cut."""
    end = len(data) if end is None else end
    while start < end:
        if start + 8 > end:
            raise ValueError("a box is cut in its head")
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == LARGE:
            if start + 16 > end:
                raise ValueError("a box is cut in its head")
            [size] = struct.unpack_from(">Q", data, start + 8)
            head = 16
        elif size == TO_THE_END:
            size = end - start
        if size < head or start + size > end:
            raise ValueError(f"the box {kind!r} is cut, or says a wrong size")
        yield kind, start + head, start + size
        start += size


def sidx(data: bytes, offset: int) -> tuple[tuple[int, int, Time, Time], ...]:
    """Offset, size, start and duration of each segment that an index lists (8.16.3); `offset` is
    where the index begins in its file. Raises SourceRefused."""
    try:
        for kind, start, end in boxes(data):
            if kind == b"sidx":
                return tuple(_references(data, start, end, offset + end))
    except (ValueError, struct.error) as error:
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
