"""Boxes of MP4 that are changed where they stand."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Final

from taskengine.media.boxes import boxes

Data = bytearray | mmap
FREE: Final = b"free"


@dataclass(frozen=True, slots=True)
class Box:
    """`start` and `end` are those of its content; `head` is where the box begins."""

    kind: bytes
    head: int
    start: int
    end: int


def placed(data: Data, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes in a stretch. Raises ValueError for what is cut."""
    head = start
    for kind, first, last in boxes(data, start, end):
        yield Box(kind, head, first, last)
        head = last


def within(data: Data, box: Box, kind: bytes) -> Iterator[Box]:
    """The boxes of a kind directly in another."""
    return (one for one in placed(data, box.start, box.end) if one.kind == kind)


def path(data: Data, box: Box, *kinds: bytes) -> Box | None:
    """The first box down a path of kinds."""
    for kind in kinds:
        found = next(within(data, box, kind), None)
        if found is None:
            return None
        box = found
    return box


def hide(data: Data, box: Box) -> None:
    """Make free space of a box: nothing after it moves."""
    data[box.head + 4 : box.head + 8] = FREE


def whole(data: Data, place: int, layout: str = ">I") -> int:
    """One number. Raises ValueError where the data ends before it."""
    try:
        return int(struct.unpack_from(layout, data, place)[0])
    except struct.error:
        raise ValueError("a box is shorter than what it has to say") from None


def read(data: Data, start: int, length: int, end: int) -> bytes:
    """Bytes of a box that ends there. Raises ValueError for fewer."""
    if start + length > end:
        raise ValueError("a box is shorter than what it has to say")
    return bytes(data[start : start + length])
