"""Boxes of MP4 files (ISO/IEC 14496-12): finding them, and making them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from mmap import mmap
from pathlib import Path
from typing import BinaryIO, Final

LARGE, TO_THE_END = 1, 0  # sizes that say something else than a size
HEAD: Final = 16  # bytes of a box's head at most
LARGEST_MOOV: Final = 256 << 20  # bytes
HANDLERS: Final = {"video": b"vide", "audio": b"soun"}  # of `hdlr`, by the type of a track
UNITY: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def boxes(
    data: bytes | bytearray | mmap, start: int = 0, end: int | None = None
) -> Iterator[tuple[bytes, int, int]]:
    """Type, first byte of the content and end of each box. Raises ValueError for what is cut."""
    end = len(data) if end is None else end
    while start < end:
        kind, head, size = _head(data, start, end - start)
        yield kind, start + head, start + size
        start += size


def file_boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Of a file of that size, by the heads of its boxes alone: type, where a box begins, first byte
    of its content, and end. Blocking. Raises ValueError for what is cut."""
    place = 0
    while place < size:
        file.seek(place)
        kind, head, length = _head(file.read(HEAD), 0, size - place)
        yield kind, place, place + head, place + length
        place += length


def _head(data: bytes | bytearray | mmap, place: int, room: int) -> tuple[bytes, int, int]:
    """Type, bytes of the head and of the whole of a box that may have so many."""
    if room < 8:
        raise ValueError("a box is cut in its head")
    size, kind = struct.unpack_from(">I4s", data, place)
    head = 8
    if size == LARGE:
        if room < HEAD:
            raise ValueError("a box is cut in its head")
        [size] = struct.unpack_from(">Q", data, place + 8)
        head = HEAD
    elif size == TO_THE_END:
        size = room
    if not head <= size <= room:
        raise ValueError(f"the box {kind!r} is cut, or says a wrong size")
    return kind, head, size


def inner(
    data: bytes | bytearray, path: str, start: int = 0, end: int | None = None
) -> tuple[int, int] | None:
    """First byte of the content and end of the first box at a path, such as `moov/trak/mdia`."""
    name, _, rest = path.partition("/")
    for kind, first, last in boxes(data, start, end):
        if kind == name.encode():
            found = inner(data, rest, first, last) if rest else (first, last)
            if found is not None:
                return found
    return None


def required(
    data: bytes | bytearray, path: str, start: int = 0, end: int | None = None
) -> tuple[int, int]:
    """As inner. Raises ValueError if there is no such box."""
    if (found := inner(data, path, start, end)) is None:
        raise ValueError(f"a head without {path}")
    return found


def versioned(data: bytes | bytearray, place: int, short: int, long: int) -> int:
    """A number whose place in a box's content depends on its version."""
    return int(struct.unpack_from(">I", data, place + (long if data[place] else short))[0])


def read_moov(path: Path, largest: int = LARGEST_MOOV) -> bytes:
    """The whole `moov` of a file. Blocking. Raises ValueError if there is none, or a larger one."""
    with path.open("rb") as file:
        for kind, place, _, end in file_boxes(file, path.stat().st_size):
            if kind == b"moov":
                if end - place > largest:
                    raise ValueError("a head that is too large")
                file.seek(place)
                return file.read(end - place)
    raise ValueError("a file without an initialization")


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    """With a version and flags before the content."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)
