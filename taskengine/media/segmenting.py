"""A track of any MP4 as segments of fragmented MP4, its samples copied bit by bit.

A segment begins with a keyframe, and is one fragment.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final

from taskengine.media.copying import append
from taskengine.media.fragmenting import fragment_head, initialization
from taskengine.media.fragments import Header, Samples
from taskengine.media.movie import FILE_TYPE, MovieTrack
from taskengine.media.tables import read_track

SEGMENT: Final = 4  # seconds at least, as a packager makes them
LARGEST: Final = 1 << 31  # bytes of a segment's media


@dataclass(frozen=True, slots=True)
class MadeSegment:
    """Shown from `start` to `end`, in seconds of the source's own times."""

    path: Path
    start: Fraction
    end: Fraction


@dataclass(frozen=True, slots=True)
class Segmented:
    """A track's initialization and its segments."""

    init: bytes
    segments: tuple[MadeSegment, ...]


def write_segments(source: Path, number: int, kind: bytes, stem: Path) -> Segmented:
    """The track at a place of the source, from 0, as files `<stem>-<n>.mp4`; `kind` is `vide` or
    `soun`. Blocking. Raises ValueError for what cannot be read here, and OSError."""
    header, samples = read_track(source, number)
    if not len(samples):
        raise ValueError("a track without samples")
    track = _movie_track(kind, header, samples)
    bounds = [*_begins(samples, header.scale), len(samples)]
    parts = [
        (stem.with_name(f"{stem.name}-{place}.mp4"), first, last)
        for place, (first, last) in enumerate(pairwise(bounds))
    ]
    with source.open("rb") as given:
        for place, (path, first, last) in enumerate(parts, 1):
            with path.open("wb") as made:
                time = samples.decoded[first] + track.hidden
                made.write(fragment_head(track, place, time, first, last))
                _copy(given, samples, first, last, made)
    starts = [min(samples.shown[first:last]) for _, first, last in parts]
    ends = [*starts[1:], max(samples.shown) + samples.lengths[-1]]
    return Segmented(
        FILE_TYPE + initialization(track),
        tuple(
            MadeSegment(path, Fraction(start, header.scale), Fraction(end, header.scale))
            for (path, _, _), start, end in zip(parts, starts, ends, strict=True)
        ),
    )


def _movie_track(kind: bytes, header: Header, samples: Samples) -> MovieTrack:
    """What is decoded before the first time that counts is hidden, as in the source."""
    steps = (later - earlier for earlier, later in pairwise(samples.decoded))
    lengths = array("I", [*(max(0, step) for step in steps), samples.lengths[-1]])
    offsets = array("i", map(int.__sub__, samples.shown, samples.decoded))
    hidden = max(0, -samples.decoded[0])
    return MovieTrack(
        kind,
        header.scale,
        header.description,
        hidden=hidden,
        sizes=samples.sizes,
        lengths=lengths,
        offsets=offsets,
        keys=samples.keys,
    )


def _begins(samples: Samples, scale: int) -> Iterator[int]:
    before = 0
    yield 0
    for n, is_key in enumerate(samples.keys):
        if is_key and samples.decoded[n] - samples.decoded[before] >= SEGMENT * scale:
            before = n
            yield n


def _copy(given: BinaryIO, samples: Samples, first: int, last: int, made: BinaryIO) -> None:
    """The media of a segment, neighbours together."""
    size = sum(samples.sizes[first:last])
    if size > LARGEST:
        raise ValueError(f"{size} bytes from one keyframe to the next")
    made.write(struct.pack(">I4s", 8 + size, b"mdat"))
    for place, length in _ranges(samples.places[first:last], samples.sizes[first:last]):
        append(given, place, length, made)


def _ranges(places: Sequence[int], sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    begin = end = places[0]
    for place, size in zip(places, sizes, strict=True):
        if place != end:
            yield begin, end - begin
            begin = place
        end = place + size
    yield begin, end - begin
