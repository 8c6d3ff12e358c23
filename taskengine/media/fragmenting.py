"""A track as fragments behind an index, laid out as the packager lays files out."""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, count, pairwise
from pathlib import Path
from typing import Final

from taskengine.media.boxes import box, full
from taskengine.media.copying import Copied, Copying
from taskengine.media.movie import MovieTrack, movie
from taskengine.media.probe import OutputWrong

FILE_TYPE: Final = box(b"ftyp", b"mp41", bytes(4), b"iso8isommp41dashcmfc")
SEGMENT: Final = 4  # seconds, as the packager is told
KEY, OTHER = 0x2000000, 0x1010000  # flags of a sample: needs no other; needs others, is no keyframe
ROW: Final = struct.Struct(">IIIi")
MEDIA_HEAD: Final = 8  # bytes
LARGEST: Final = (1 << 31) - 1  # bytes of a fragment, as an index can say
MOST: Final = (1 << 16) - 1  # fragments of an index
STARTS_WITH_KEY: Final = 0x90000000  # SAP type 1


def write_fragments(
    track: MovieTrack, media: Iterable[Copied], zero: int, target: Path
) -> array[int]:
    """All samples of a track, whose bytes `media` is, with times that are `zero` ticks later;
    where each of them lies. Blocking. Raises OutputWrong."""
    bounds = list(pairwise(_bounds(track)))
    times = array("q", accumulate(track.lengths, initial=zero))
    copying = Copying(media, track.description[12:16])
    places = array("Q")
    with target.open("wb") as made:
        made.write(FILE_TYPE + initialization(track) + _index(track, bounds, zero))
        for number, (first, last) in enumerate(bounds, 1):
            sizes = track.sizes[first:last]
            made.write(fragment_head(track, number, times[first], first, last))
            made.write(struct.pack(">I4s", MEDIA_HEAD + sum(sizes), b"mdat"))
            places.extend(accumulate(sizes[:-1], initial=made.tell()))
            copying.append(sum(sizes), made)
        os.fsync(made.fileno())  # whoever stores it would wait; now other tracks are made meanwhile
    copying.finish()
    return places


def _bounds(track: MovieTrack) -> Sequence[int]:
    """Where fragments begin, and the end; as long as an index can hold them all."""
    for factor in count(1):
        found = [*_begins(track, factor * SEGMENT * track.scale), len(track.sizes)]
        if len(found) <= MOST:
            break
    return found


def _begins(track: MovieTrack, ticks: int) -> Iterator[int]:
    """At the first keyframe, or packet of sound, that is shown in the next so many ticks."""
    before = -1
    is_sound = track.kind != b"vide"
    rows = zip(accumulate(track.lengths, initial=0), track.offsets, track.keys, strict=False)
    for n, (at, offset, is_key) in enumerate(rows):
        if is_key or is_sound or n == 0:
            current = max(0, at + offset - track.hidden) // ticks
            if current > before:
                before = current
                yield n


def _index(track: MovieTrack, bounds: Sequence[tuple[int, int]], zero: int) -> bytes:
    """`sidx` (ISO/IEC 14496-12, 8.16.3)."""
    empty = len(fragment_head(track, 0, 0, 0, 0)) + MEDIA_HEAD
    head = struct.pack(">IIQQHH", 1, track.scale, max(0, zero), 0, 0, len(bounds))
    unheard = sum(track.lengths) - track.duration  # of sound, at its beginning
    rows = []
    for first, last in bounds:
        size = empty + ROW.size * (last - first) + sum(track.sizes[first:last])
        if size > LARGEST:
            raise OutputWrong(f"{size} bytes from one keyframe to the next")
        ticks = sum(track.lengths[first:last])
        left = max(0, ticks - unheard)
        unheard -= ticks - left
        rows.append(struct.pack(">III", size, left, STARTS_WITH_KEY))
    return full(b"sidx", head, *rows, version=1)


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
