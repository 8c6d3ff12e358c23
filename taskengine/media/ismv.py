"""One fragmented MP4 of all tracks of an asset, of the files that each of them is in.

Fragments lie in it in the order of their times, as origins want it that package on the fly. Only
numbers of tracks change in them, so that what is encrypted stays whole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taskengine.media.boxes import box, boxes, file_boxes, full, read_moov, required, versioned
from taskengine.media.copying import append

FILE_TYPE: Final = box(b"ftyp", b"isml", struct.pack(">I", 1), b"isomiso6piffiso2isml")


@dataclass(frozen=True, slots=True)
class _Fragment:
    """`moof` and `mdat` of a track: when it begins, in seconds, and where it lies."""

    time: float
    number: int  # of its track, from 1
    place: int
    head: int  # bytes of the moof
    size: int  # bytes of both


def combine(files: Sequence[Path], target: Path) -> None:
    """Write it of fragmented MP4s of one track each. Blocking. Raises ValueError."""
    heads = [read_moov(path) for path in files]
    fragments = [
        one
        for number, (path, moov) in enumerate(zip(files, heads, strict=True), 1)
        for one in _fragments(path, number, _scale(moov))
    ]
    fragments.sort(key=lambda one: (one.time, one.number))
    with target.open("wb") as made:
        made.write(FILE_TYPE + _combined(heads))
        for sequence, fragment in enumerate(fragments, 1):
            with files[fragment.number - 1].open("rb") as given:
                given.seek(fragment.place)
                made.write(_renumbered(given.read(fragment.head), fragment.number, sequence))
                rest = fragment.size - fragment.head
                append(given, fragment.place + fragment.head, rest, made)


def _scale(moov: bytes) -> int:
    """Ticks a second of its track."""
    return versioned(moov, required(moov, "trak/mdia/mdhd", 8)[0], 12, 20)


def _fragments(path: Path, number: int, scale: int) -> Iterator[_Fragment]:
    with path.open("rb") as file:
        head: tuple[int, int, float] | None = None
        for kind, place, _, end in file_boxes(file, path.stat().st_size):
            if kind == b"moof":
                file.seek(place)
                head = place, end - place, _time(file.read(end - place)) / scale
            elif kind == b"mdat" and head is not None:
                yield _Fragment(head[2], number, head[0], head[1], end - head[0])
                head = None


def _time(moof: bytes) -> int:
    place, _ = required(moof, "traf/tfdt", 8)
    return int(struct.unpack_from(">Q" if moof[place] else ">I", moof, place + 4)[0])


def _combined(heads: Sequence[bytes]) -> bytes:
    """The head of all, in the first one's ticks a second of the movie."""
    first, last = required(heads[0], "mvhd", 8)
    movie = bytearray(heads[0][first:last])
    struct.pack_into(">I", movie, len(movie) - 4, len(heads) + 1)  # the next number of a track
    tracks = [_track(moov, number) for number, moov in enumerate(heads, 1)]
    extends = [_extends(moov, number) for number, moov in enumerate(heads, 1)]
    systems = dict.fromkeys(
        moov[place - 8 : end] for moov in heads for kind, place, end in boxes(moov, 8)
        if kind == b"pssh"
    )  # fmt: skip
    parts = [box(b"mvhd", bytes(movie)), *tracks, box(b"mvex", *extends), *systems]
    return box(b"moov", *parts)


def _track(moov: bytes, number: int) -> bytes:
    first, last = required(moov, "trak", 8)
    track = bytearray(moov[first:last])
    place, _ = required(bytes(track), "tkhd", 0)
    struct.pack_into(">I", track, place + (20 if track[place] else 12), number)
    return box(b"trak", bytes(track))


def _extends(moov: bytes, number: int) -> bytes:
    place, end = required(moov, "mvex/trex", 8)
    return full(b"trex", struct.pack(">I", number), moov[place + 8 : end])


def _renumbered(moof: bytes, number: int, sequence: int) -> bytes:
    made = bytearray(moof)
    struct.pack_into(">I", made, required(moof, "mfhd", 8)[0] + 4, sequence)
    struct.pack_into(">I", made, required(moof, "traf/tfhd", 8)[0] + 4, number)
    return bytes(made)
