"""Boxes of MP4 files (ISO/IEC 14496-12): finding them, and making them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from mmap import mmap
from typing import Final

LARGE, TO_THE_END = 1, 0  # sizes that say something else than a size
UNITY: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


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


def inner(data: bytes, path: str, start: int = 0, end: int | None = None) -> tuple[int, int] | None:
    """First byte of the content and end of the first box at a path, such as `moov/trak/mdia`."""
    name, _, rest = path.partition("/")
    for kind, first, last in boxes(data, start, end):
        if kind == name.encode():
            found = inner(data, rest, first, last) if rest else (first, last)
            if found is not None:
                return found
    return None


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    """With a version and flags before the content."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)
