"""Fragmented MP4: what a track is, and where each of its samples lies.

Heads alone are read, not the media. What strangers made is bounded: a fragment's head by its size,
samples by the bytes that describe them. ValueError says what cannot be read here; tools that read
more may know better.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from operator import add
from pathlib import Path
from typing import BinaryIO, Final

from taskengine.media.boxes import boxes, file_boxes, inner, read_moov, required, versioned

BOX_HEAD: Final = 8  # bytes, of boxes that are no larger than LARGEST
LARGEST: Final = 16 << 20  # bytes of a `moov` or `moof`
NO_KEYFRAME: Final = 0x10000 | 0x1000000  # not a sync sample, or one that depends on others
MAX_SAMPLES: Final = 1_000_000  # of a file
LOOSE_SCALE: Final = 1000  # ticks a second, where nothing says it
HIDDEN: Final = {b"encv", b"enca"}  # sample entries of what is encrypted


@dataclass(frozen=True, slots=True)
class Header:
    """Of one track. `early` is what an edit list takes from its times, in ticks."""

    track: int
    scale: int
    description: bytes  # the content of `stsd`
    defaults: tuple[int, int, int]  # of `trex`: duration, size, flags
    early: int = 0

    @property
    def entry(self) -> bytes:
        """The type of the sample entry, as `avc1`."""
        return self.description[12:16]


@dataclass(slots=True)
class Samples:
    """Of one file, in the order of decoding: columns of the same length. Times are in ticks."""

    places: array[int] = field(default_factory=lambda: array("Q"))
    sizes: array[int] = field(default_factory=lambda: array("I"))
    decoded: array[int] = field(default_factory=lambda: array("q"))
    shown: array[int] = field(default_factory=lambda: array("q"))
    lengths: array[int] = field(default_factory=lambda: array("I"))
    keys: bytearray = field(default_factory=bytearray)

    def __len__(self) -> int:
        return len(self.sizes)


def read_header(data: bytes, kind: bytes) -> Header:
    """Of the first track of a kind, `vide` or `soun`. Raises ValueError."""
    try:
        moov = required(data, "moov", 0, len(data))
        for name, first, last in boxes(data, *moov):
            if name == b"trak":
                handler, _ = required(data, "mdia/hdlr", first, last)
                if data[handler + 8 : handler + 12] == kind:
                    return header_of(data, moov, first, last)
    except (struct.error, IndexError, OverflowError) as error:
        raise ValueError(f"an initialization that cannot be read: {error}") from None
    raise ValueError(f"an initialization without a track of {kind.decode()}")


def loose_header(data: bytes, track: int) -> Header:
    """Of a track by its number, as far as an initialization tells of it: of captions there may be
    none, or hardly anything in it. Raises ValueError."""
    try:
        scale = inner(data, "moov/trak/mdia/mdhd")
        moov = inner(data, "moov")
        ticks = versioned(data, scale[0], 12, 20) if scale else 0
        defaults = _defaults(data, moov, track) if moov else (0, 0, 0)
    except (struct.error, IndexError) as error:
        raise ValueError(f"an initialization that cannot be read: {error}") from None
    return Header(track, ticks or LOOSE_SCALE, b"", defaults)


def has_track(data: bytes, kind: bytes) -> bool:
    """Whether an initialization describes a track of a kind."""
    try:
        read_header(data, kind)
    except ValueError:
        return False
    return True


def header_of(data: bytes, moov: tuple[int, int], first: int, last: int) -> Header:
    """Of a `trak` whose content is between two places, in a `moov`. Raises ValueError."""
    track = versioned(data, required(data, "tkhd", first, last)[0], 12, 20)
    scale = versioned(data, required(data, "mdia/mdhd", first, last)[0], 12, 20)
    start, end = required(data, "mdia/minf/stbl/stsd", first, last)
    description = data[start:end]
    if description[4:8] != b"\0\0\0\1" or description[12:16] in HIDDEN or not scale:
        raise ValueError("a track of several kinds, or an encrypted one")
    # What is behind the one entry does not count: that of the stretches that were in the clear.
    description = description[: 8 + int.from_bytes(description[8:12])]
    movie = versioned(data, required(data, "mvhd", *moov)[0], 12, 20)
    early = early_of(data, inner(data, "edts/elst", first, last), Fraction(scale, movie or scale))
    return Header(track, scale, description, _defaults(data, moov, track), early)


def _defaults(data: bytes, moov: tuple[int, int], track: int) -> tuple[int, int, int]:
    """Duration, size and flags of a track's samples (`trex`)."""
    extends = inner(data, "mvex", *moov)
    for name, first, _ in boxes(data, *extends) if extends else ():
        if name == b"trex":
            own, _, length, size, flags = struct.unpack_from(">5I", data, first + 4)
            if own == track:
                return length, size, flags
    return 0, 0, 0


def early_of(data: bytes | bytearray, place: tuple[int, int] | None, ratio: Fraction) -> int:
    """What the edit list at a place takes from its track's times, in ticks; `ratio`: so many are a
    tick of the movie. One edit, and a pause before it. Raises ValueError for more."""
    if place is None:
        return 0
    start, end = place
    layout = ">Qqhh" if data[start] else ">Iihh"
    size = struct.calcsize(layout)
    rows = [
        struct.unpack_from(layout, data, at)
        for at in range(start + 8, min(end, start + 8 + 4 * size) - size + 1, size)
    ]
    pause = round(rows[0][0] * ratio) if rows and rows[0][1] == -1 else 0
    edits = [row for row in rows if row[1] != -1]
    if len(edits) > 1 or len(rows) - len(edits) > 1:
        raise ValueError("a track of several edits")
    return (int(edits[0][1]) if edits else 0) - pause


def read_samples(path: Path, header: Header) -> Samples:
    """Of the track in a file of fragments. Blocking. Raises ValueError."""
    found = _FragmentReader(header)
    try:
        with path.open("rb") as file:
            for start, moof in _fragments(file, path.stat().st_size):
                found.add(moof, start)
    except (struct.error, IndexError, OverflowError) as error:
        raise ValueError(f"a fragment that cannot be read: {error}") from None
    return found.samples


def samples_in(data: bytes, header: Header, time: int = 0) -> Samples:
    """Of the track in fragments at hand; `time`: of those that state none. Raises ValueError."""
    found = _FragmentReader(header, time=time)
    try:
        for kind, content, end in boxes(data):
            if kind == b"moof":
                start = content - BOX_HEAD
                found.add(data[start:end], start)
    except (struct.error, IndexError, OverflowError) as error:
        raise ValueError(f"a fragment that cannot be read: {error}") from None
    return found.samples


def read_file_header(path: Path, kind: bytes) -> Header:
    """Of a file that begins with its initialization. Blocking. Raises ValueError."""
    return read_header(read_moov(path, LARGEST), kind)


def _fragments(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    """Where each `moof` begins, and all of it."""
    for kind, place, _, end in file_boxes(file, size):
        if kind == b"moof":
            if end - place > LARGEST:
                raise ValueError("a head that is too large")
            file.seek(place)
            yield place, file.read(end - place)


@dataclass(slots=True)
class _FragmentReader:
    header: Header
    samples: Samples = field(default_factory=Samples)
    time: int | None = None  # of the next sample

    def add(self, moof: bytes, start: int) -> None:
        """The samples of a fragment that begins at a place of its file."""
        tracks = [place for kind, *place in boxes(moof, 8) if kind == b"traf"]
        for number, (first, last) in enumerate(tracks):
            inside = list(boxes(moof, first, last))
            head = next((place for kind, place, _ in inside if kind == b"tfhd"), None)
            if head is None:
                raise ValueError("a fragment without the head of its track")
            flags, track = struct.unpack_from(">II", moof, head)
            if track != self.header.track:
                continue
            base, defaults = self._head(moof, head, flags, start)
            if number and not flags & 0x20001:
                raise ValueError("data that is counted from the end of another track's")
            for kind, place, _ in inside:
                if kind == b"tfdt":
                    [self.time] = struct.unpack_from(">Q" if moof[place] else ">I", moof, place + 4)
                elif kind == b"trun":
                    base = self._run(moof, place, start, base, defaults)

    def _head(
        self, moof: bytes, place: int, flags: int, start: int
    ) -> tuple[int, tuple[int, int, int]]:
        """Where data is counted from; and duration, size and flags of samples that say none."""
        place += 8
        if flags & 1:
            [base] = struct.unpack_from(">Q", moof, place)
            if base != start:
                raise ValueError("data that is counted from another file")
            place += 8
        if flags & 2:
            if struct.unpack_from(">I", moof, place) != (1,):
                raise ValueError("a track of several kinds")
            place += 4
        own = list(self.header.defaults)
        for number, bit in enumerate((8, 16, 32)):
            if flags & bit:
                [own[number]] = struct.unpack_from(">I", moof, place)
                place += 4
        return start, (own[0], own[1], own[2])

    def _run(
        self, moof: bytes, place: int, start: int, at: int, defaults: tuple[int, int, int]
    ) -> int:
        """The samples of a `trun`; where the data of the next one is."""
        version, flags = moof[place], int.from_bytes(moof[place + 1 : place + 4], "big")
        [count] = struct.unpack_from(">I", moof, place + 4)
        place += 8
        if flags & 1:
            at = start + struct.unpack_from(">i", moof, place)[0]
            place += 4
        first_flags = None
        if flags & 4:
            [first_flags] = struct.unpack_from(">I", moof, place)
            place += 4
        if self.time is None:
            raise ValueError("a fragment that states no time")
        shape = [bool(flags & bit) for bit in (0x100, 0x200, 0x400, 0x800)]
        row = struct.Struct(">" + "I" * sum(shape[:3]) + ("i" if version else "I") * shape[3])
        if row.size * count > len(moof) - place or (not row.size and count > LARGEST):
            raise ValueError("a fragment that says a wrong number of samples")
        if len(self.samples) + count > MAX_SAMPLES:
            raise ValueError("a file of too many samples")
        rows = row.iter_unpack(moof[place : place + row.size * count]) if row.size else ()
        given = iter(list(zip(*rows, strict=True)))
        lengths, sizes, own = (
            next(given) if said and count else (default,) * count
            for said, default in zip(shape[:3], defaults, strict=True)
        )
        if first_flags is not None and count:
            own = (first_flags, *own[1:])
        return self._add(at, sizes, lengths, next(given, (0,) * count), own)

    def _add(
        self,
        at: int,
        sizes: Sequence[int],
        lengths: Sequence[int],
        offsets: Sequence[int],
        flags: Sequence[int],
    ) -> int:
        assert self.time is not None
        to = self.samples
        *places, at = accumulate(sizes, initial=at)
        *times, time = accumulate(lengths, initial=self.time - self.header.early)
        to.places.extend(places)
        to.sizes.extend(sizes)
        to.decoded.extend(times)
        to.shown.extend(map(add, times, offsets))
        to.lengths.extend(lengths)
        to.keys.extend(not own & NO_KEYFRAME for own in flags)
        self.time = time + self.header.early
        return at
