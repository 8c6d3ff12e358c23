"""A track as fragments, whose times begin where they like: an MP4 without them begins at zero."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final

from taskengine.media.boxes import box, full
from taskengine.media.copying import append
from taskengine.media.movie import FILE_TYPE, MovieTrack, movie

LONGEST: Final = 250  # samples of a fragment of sound
KEY, OTHER = 0x2000000, 0x1010000  # flags of a sample: needs no other; needs others, is no keyframe
ROW: Final = struct.Struct(">IIIi")


def write_fragments(track: MovieTrack, source: Path, place: int, zero: int, target: Path) -> None:
    """Samples that lie one after the other from a place of a file on, as fragments. Their times
    are `zero` ticks later. Blocking. Raises OutputWrong."""
    bounds = [*_begins(track), len(track.sizes)]
    times = list(accumulate(track.lengths, initial=zero))
    with source.open("rb") as given, target.open("wb") as made:
        made.write(FILE_TYPE + initialization(track))
        for number, (first, last) in enumerate(pairwise(bounds), 1):
            size = sum(track.sizes[first:last])
            made.write(fragment_head(track, number, times[first], first, last))
            made.write(struct.pack(">I4s", 8 + size, b"mdat"))
            append(given, place, size, made)
            place += size


def _begins(track: MovieTrack) -> Iterator[int]:
    """A fragment begins with a keyframe, or after so many samples of sound."""
    if track.kind == b"vide":
        yield from (n for n, is_key in enumerate(track.keys) if is_key or n == 0)
    else:
        yield from range(0, len(track.sizes), LONGEST)


def initialization(track: MovieTrack) -> bytes:
    """The `moov` of a track that fragments follow."""
    empty = MovieTrack(track.kind, track.scale, track.description, language=track.language)
    empty.width, empty.height, empty.hidden = track.width, track.height, track.hidden
    extends = full(b"mehd", struct.pack(">Q", sum(track.lengths)), version=1)
    extends += full(b"trex", struct.pack(">5I", 1, 1, 0, 0, 0))
    return movie([empty], extends=box(b"mvex", extends))


def fragment_head(track: MovieTrack, number: int, time: int, first: int, last: int) -> bytes:
    """The `moof` of samples `[first, last)`, decoded from `time` on, in ticks."""
    rows = b"".join(
        ROW.pack(
            track.lengths[n], track.sizes[n], KEY if track.keys[n] else OTHER, track.offsets[n]
        )
        for n in range(first, last)
    )
    sequence = full(b"mfhd", struct.pack(">I", number))
    head = full(b"tfhd", struct.pack(">I", 1), flags=0x20000)
    begins = full(b"tfdt", struct.pack(">Q", time), version=1)
    size = 8 + len(sequence) + 8 + len(head) + len(begins) + 20 + len(rows)
    run = struct.pack(">Ii", last - first, size + 8) + rows
    samples = full(b"trun", run, version=1, flags=0xF01)
    return box(b"moof", sequence, box(b"traf", head, begins, samples))
