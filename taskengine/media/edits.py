"""Edit lists of pictures in fragmented MP4, turned into the times of samples.

Pictures are decoded in another order than they are shown in, so that the first one of a file is
shown some ticks after it is decoded; an edit list takes that from all times. Players that append
segments do not all look at it (hls.js places what follows a discontinuity too late, and then waits
for the end that never comes), and it tells nothing once segments are shown without what
initialized them. ISO/IEC 14496-12 has offsets that are negative for this (`trun`, version 1), and
CMAF (ISO/IEC 23000-19, 7.5.17) media without edit lists. No size changes, so that places of bytes
stay right. Sound has no offsets, and keeps what its edit list hides. ValueError says what cannot be
read.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Final

from taskengine.media.boxes import boxes, inner, required, versioned
from taskengine.media.fragments import BOX_HEAD, early_of

DATA, FIRST_FLAGS, OFFSETS = 0x1, 0x4, 0x800  # flags of `trun`
OF_SAMPLES: Final = (0x100, 0x200, 0x400, OFFSETS)


def settle_fragments(path: Path, early: Mapping[int, int]) -> None:
    """Of a file of fragments what take_edits has found in the initialization. Blocking."""
    data = bytearray(path.read_bytes())
    shift_fragments(data, early)
    path.write_bytes(data)


def take_edits(data: bytearray) -> dict[int, int]:
    """Leave an initialization without the edit lists of pictures; what they take from the times of
    each track, in its ticks."""
    found: dict[int, int] = {}
    moov = required(data, "moov", 0, len(data))
    movie = versioned(data, required(data, "mvhd", *moov)[0], 12, 20)
    for kind, first, last in boxes(data, *moov):
        if kind != b"trak" or (edits := inner(data, "edts", first, last)) is None:
            continue
        handler = required(data, "mdia/hdlr", first, last)[0] + 8
        if data[handler : handler + 4] != b"vide":
            continue
        track = versioned(data, required(data, "tkhd", first, last)[0], 12, 20)
        scale = versioned(data, required(data, "mdia/mdhd", first, last)[0], 12, 20)
        found[track] = early_of(data, inner(data, "elst", *edits), Fraction(scale, movie or scale))
        data[edits[0] - 4 : edits[0]] = b"free"
    return found


def shift_fragments(data: bytearray, early: Mapping[int, int]) -> None:
    """Take so many ticks from the times at which samples of tracks are shown."""
    for kind, start, end in boxes(data):
        for name, first, last in boxes(data, start, end) if kind == b"moof" else ():
            if name == b"traf":
                head = required(data, "tfhd", first, last)[0]
                _shift(data, first, last, early.get(int.from_bytes(data[head + 4 : head + 8]), 0))


def _shift(data: bytearray, first: int, last: int, ticks: int) -> None:
    """Where samples have no offsets of their own, when they are decoded: never before 0."""
    runs = [place for kind, *place in boxes(data, first, last) if kind == b"trun"]
    if all(int.from_bytes(data[start + 1 : start + 4]) & OFFSETS for start, _ in runs):
        for start, end in runs if ticks else ():
            _shift_offsets(data, start, end, ticks)
        return
    place, _ = required(data, "tfdt", first, last)
    form = ">Q" if data[place] else ">I"
    [time] = struct.unpack_from(form, data, place + 4)
    struct.pack_into(form, data, place + 4, max(0, time - ticks))


def _shift_offsets(data: bytearray, start: int, end: int, ticks: int) -> None:
    flags = int.from_bytes(data[start + 1 : start + 4])
    count = int.from_bytes(data[start + 4 : start + 8])
    step = 4 * sum(bool(flags & one) for one in OF_SAMPLES)
    rows = start + BOX_HEAD + 4 * bool(flags & DATA) + 4 * bool(flags & FIRST_FLAGS)
    if rows + step * count > end:
        raise ValueError("a fragment that says a wrong number of samples")
    signed = ">i" if data[start] else ">I"
    data[start] = 1
    for place in range(rows + step - 4, rows + step * count, step):
        [offset] = struct.unpack_from(signed, data, place)
        struct.pack_into(">i", data, place, offset - ticks)
