"""What decoders of H.264 and H.265 need before a picture: parameter sets, out of an MP4's
description of a track, in the form in which they stand among its samples."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from taskengine.media.boxes import inner

PICTURE_ENTRY: Final = 16 + 78  # bytes of a description before the boxes that a sample entry holds
AVC: Final = {b"avc1", b"avc3"}
HEVC: Final = {b"hvc1", b"hev1"}
DELIMITERS: Final = {b"avc1": (9, 0, 31), b"hvc1": (35, 1, 63)}  # NAL type, its place in a byte


def parameter_sets(description: bytes) -> bytes:
    """Each with its length in four bytes before it; empty for other codecs.

    Raises ValueError for what states lengths in fewer bytes, or cannot be read.
    """
    entry = description[12:16]
    try:
        if entry in AVC:
            return b"".join(map(_sized, _avc(_configuration(description, "avcC"))))
        if entry in HEVC:
            return b"".join(map(_sized, _hevc(_configuration(description, "hvcC"))))
    except (struct.error, IndexError) as error:
        raise ValueError(f"parameter sets that cannot be read: {error}") from None
    return b""


def delimiter_size(entry: bytes, start: bytes) -> int:
    """Bytes of the access unit delimiter that a sample starts with, of its first bytes: nothing
    may stand before it."""
    number, shift, mask = DELIMITERS[b"hvc1" if entry in HEVC else b"avc1"]
    if len(start) > 4 and start[4] >> shift & mask == number:
        return 4 + int.from_bytes(start[:4], "big")
    return 0


def _configuration(description: bytes, name: str) -> bytes:
    found = inner(description, name, PICTURE_ENTRY)
    if found is None:
        raise ValueError(f"a description without {name}")
    return description[found[0] : found[1]]


def _avc(said: bytes) -> Iterator[bytes]:
    if said[4] & 3 != 3:
        raise ValueError("lengths of NAL units in fewer than four bytes")
    place = 5
    for mask in (31, 255):
        number, place = said[place] & mask, place + 1
        for _ in range(number):
            unit, place = _unit(said, place)
            yield unit


def _hevc(said: bytes) -> Iterator[bytes]:
    if said[21] & 3 != 3:
        raise ValueError("lengths of NAL units in fewer than four bytes")
    place = 23
    for _ in range(said[22]):
        [number] = struct.unpack_from(">H", said, place + 1)
        place += 3
        for _ in range(number):
            unit, place = _unit(said, place)
            yield unit


def _unit(said: bytes, place: int) -> tuple[bytes, int]:
    [size] = struct.unpack_from(">H", said, place)
    return said[place + 2 : place + 2 + size], place + 2 + size


def _sized(unit: bytes) -> bytes:
    return struct.pack(">I", len(unit)) + unit
