"""Writing the head of an MP4 file, `moov`, whose media lies in other files or in fragments."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby
from math import lcm
from typing import Final

from taskengine.media.boxes import UNITY, box, full

FILE_TYPE: Final = box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2mp41")
MOVIE_SCALE: Final = 90_000  # ticks a second, where tracks have no common one
LARGEST_SCALE: Final = 10_000_000
SELF: Final = full(b"url ", flags=1)  # a data reference: the file itself


@dataclass(slots=True)
class MovieTrack:
    """A track as it is written. Columns have a value for each sample; times are in ticks."""

    kind: bytes  # vide, soun
    scale: int  # ticks a second
    description: bytes  # the content of `stsd`
    width: int = 0
    height: int = 0
    language: str = "und"
    hidden: int = 0  # what is decoded before the first time that is shown
    duration: int = 0  # that is shown
    sizes: array[int] = field(default_factory=lambda: array("I"))
    lengths: array[int] = field(default_factory=lambda: array("I"))  # from decoding to decoding
    offsets: array[int] = field(default_factory=lambda: array("i"))  # from decoding to showing
    keys: bytearray = field(default_factory=bytearray)
    chunks: list[tuple[int, int, int]] = field(default_factory=list)  # place, samples, reference
    references: list[str] = field(default_factory=list)  # files beside it; none: itself


def movie(tracks: Sequence[MovieTrack], extends: bytes = b"") -> bytes:
    """The `moov`; `extends` is the `mvex` of what is followed by fragments."""
    scale = lcm(*(track.scale for track in tracks))
    scale = scale if scale <= LARGEST_SCALE else MOVIE_SCALE
    lengths = [_rescaled(track.duration, track.scale, scale) for track in tracks]
    head = struct.pack(">QQIQIH", 0, 0, scale, max(lengths), 0x10000, 0x100) + bytes(10)
    head += UNITY + bytes(24) + struct.pack(">I", len(tracks) + 1)
    own = [
        _track(number, track, length)
        for number, (track, length) in enumerate(zip(tracks, lengths, strict=True), 1)
    ]
    return box(b"moov", full(b"mvhd", head, version=1), *own, extends)


def _rescaled(ticks: int, scale: int, to: int) -> int:
    return round(Fraction(ticks * to, scale))


def _track(number: int, track: MovieTrack, length: int) -> bytes:
    is_video = track.kind == b"vide"
    times = struct.pack(">QQIIQ", 0, 0, number, 0, length) + bytes(8)
    volume = struct.pack(">hhhh", 0, 0, 0 if is_video else 0x100, 0)
    size = struct.pack(">II", track.width << 16, track.height << 16)
    head = full(b"tkhd", times, volume, UNITY, size, version=1, flags=3)
    edit = struct.pack(">IQqhh", 1, length, track.hidden, 1, 0)
    return box(b"trak", head, box(b"edts", full(b"elst", edit, version=1)), _media(track))


def _media(track: MovieTrack) -> bytes:
    total = sum(track.lengths)
    times = struct.pack(">QQIQHH", 0, 0, track.scale, total, language_bits(track.language), 0)
    handler = full(b"hdlr", bytes(4), track.kind, bytes(12), b"\0")
    is_video = track.kind == b"vide"
    header = full(b"vmhd", bytes(8), flags=1) if is_video else full(b"smhd", bytes(4))
    places = [full(b"url ", name.encode() + b"\0") for name in track.references] or [SELF]
    data = box(b"dinf", full(b"dref", struct.pack(">I", len(places)), *places))
    table = box(b"minf", header, data, _table(track))
    return box(b"mdia", full(b"mdhd", times, version=1), handler, table)


def language_bits(code: str) -> int:
    """Three letters in 15 bits."""
    letters = code if len(code) == 3 and code.isascii() and code.islower() else "und"
    first, second, third = (ord(letter) - 0x60 for letter in letters)
    return first << 10 | second << 5 | third


def _table(track: MovieTrack) -> bytes:
    parts = [full(b"stsd", track.description[4:]), full(b"stts", _runs(track.lengths))]
    if any(track.offsets):
        parts.append(full(b"ctts", _runs(track.offsets), version=1))
    if not all(track.keys):
        keys = [number for number, is_key in enumerate(track.keys, 1) if is_key]
        parts.append(full(b"stss", struct.pack(">I", len(keys)), _packed("I", keys)))
    chunks = [(number, reference) for _, number, reference in track.chunks]
    places = [place for place, _, _ in track.chunks]
    sizes = struct.pack(">II", 0, len(track.sizes))
    parts.append(full(b"stsc", _chunk_runs(chunks)))
    parts.append(full(b"stsz", sizes, _packed("I", track.sizes)))
    parts.append(full(b"co64", struct.pack(">I", len(places)), _packed("Q", places)))
    return box(b"stbl", *parts)


def _packed(kind: str, values: Iterable[int]) -> bytes:
    found = array(kind, values)
    if sys.byteorder == "little":
        found.byteswap()
    return found.tobytes()


def _runs(values: Sequence[int]) -> bytes:
    """Equal neighbours together: how many, and the value."""
    rows = [(len(list(some)), value) for value, some in groupby(values)]
    return struct.pack(">I", len(rows)) + b"".join(struct.pack(">Ii", *row) for row in rows)


def _chunk_runs(chunks: Sequence[tuple[int, int]]) -> bytes:
    rows = list(_firsts(chunks))
    return struct.pack(">I", len(rows)) + b"".join(struct.pack(">III", *row) for row in rows)


def _firsts(chunks: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    before = None
    for number, chunk in enumerate(chunks, 1):
        if chunk != before:
            yield number, *chunk
        before = chunk
