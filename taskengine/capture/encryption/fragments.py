"""Fragments of MP4, decrypted where they stand."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from taskengine.capture.encryption.auxiliary import Info, infos
from taskengine.capture.encryption.boxes import Box, Data, path, placed, whole, within
from taskengine.capture.encryption.ciphers import BLOCK, open_sample
from taskengine.capture.encryption.protection import (
    TrackProtection,
    Tracks,
    hide_systems,
)

MAX_SAMPLES: Final = 1_000_000  # of a file
OFFSET, DESCRIPTION, DURATION, SIZE, FLAGS = 1, 2, 8, 16, 32  # flags of `tfhd`: what it has
RUN_OFFSET, RUN_FIRST, RUN_SIZE = 0x1, 0x4, 0x200  # flags of `trun`
SURE: Final = frozenset({b"avc1", b"avc3", b"mp4a", b"ac-3", b"ec-3"})
RUN_FIELDS: Final = (0x100, RUN_SIZE, 0x400, 0x800)  # that each sample may have

KeyOf = Callable[[bytes], bytes]


@dataclass(slots=True)
class Opened:
    """What was found: samples of media, and how many of these were encrypted."""

    samples: int = 0
    locked: int = 0
    key_ids: set[bytes] = field(default_factory=set)
    is_sure: bool = True  # its decoder tells garbage from media at once

    @property
    def share(self) -> float:
        """Of the samples that were encrypted."""
        return self.locked / self.samples if self.samples else 0.0


@dataclass(slots=True)
class Opener:
    """Of one file. Its methods raise ValueError for what cannot be read, and what `key_of` does."""

    data: Data
    tracks: Tracks
    key_of: KeyOf
    opened: Opened = field(default_factory=Opened)
    _media: list[Box] = field(default_factory=list)
    _samples: int = 0
    _bytes: int = 0

    def open(self) -> Opened:
        top = list(placed(self.data))
        self._media = [box for box in top if box.kind == b"mdat"]
        for box in top:
            if box.kind == b"moof":
                self._fragment(box)
        return self.opened

    def _fragment(self, moof: Box) -> None:
        hide_systems(self.data, moof)
        following = moof.head  # where samples lie that nothing is said of
        for traf in within(self.data, moof, b"traf"):
            following = self._track(moof, traf, following)

    def _track(self, moof: Box, traf: Box, following: int) -> int:
        header = path(self.data, traf, b"tfhd")
        if header is None:
            raise ValueError("a fragment without its header")
        track = self.tracks.get(whole(self.data, header.start + 4))
        if track is None or not track.is_locked:
            return following
        size, description = self._defaults(header, track)
        samples = [
            sample
            for box in within(self.data, traf, b"trun")
            for sample in self._run(box, moof.head, following, size)
        ]
        entry = track.entries[description - 1] if description <= len(track.entries) else None
        for (start, length), info in zip(
            samples, infos(self.data, moof, traf, track, entry, len(samples)), strict=True
        ):
            self._sample(start, length, info, track)
        return sum(samples[-1]) if samples else following

    def _defaults(self, header: Box, track: TrackProtection) -> tuple[int, int]:
        """The size of samples that do not say theirs, and their description."""
        flags, place = whole(self.data, header.start) & 0xFFFFFF, header.start + 8
        if flags & OFFSET:
            raise ValueError("a fragment that counts from the beginning of its file")
        description, size = track.description, track.sample_size
        if flags & DESCRIPTION:
            description = whole(self.data, place)
            if track.is_one:
                self.data[place : place + 4] = (1).to_bytes(4)
            place += 4
        place += 4 if flags & DURATION else 0
        if flags & SIZE:
            size = whole(self.data, place)
        return size, description

    def _run(self, box: Box, base: int, following: int, size: int) -> Iterator[tuple[int, int]]:
        """Start and length of each sample."""
        data, flags, number = (
            self.data,
            whole(self.data, box.start),
            whole(self.data, box.start + 4),
        )
        place, start = box.start + 8, following
        self._samples += number
        if self._samples > MAX_SAMPLES:
            raise ValueError(f"more than {MAX_SAMPLES} samples")
        if flags & RUN_OFFSET:
            start, place = base + whole(data, place, ">i"), place + 4
        place += 4 if flags & RUN_FIRST else 0
        fields = [one for one in RUN_FIELDS if flags & one]
        if place + 4 * len(fields) * number > box.end:
            raise ValueError("a fragment with fewer samples than it says")
        sizes: Sequence[int] = (size,) * number
        if flags & RUN_SIZE:
            numbers = struct.unpack_from(f">{len(fields) * number}I", data, place)
            sizes = numbers[fields.index(RUN_SIZE) :: len(fields)]
        self._check(start, sum(sizes))
        for length in sizes:
            yield start, length
            start += length

    def _check(self, start: int, length: int) -> None:
        self._bytes += length
        at = bisect_right(self._media, start, key=lambda box: box.start) - 1
        inside = at >= 0 and start + length <= self._media[at].end
        if not inside or self._bytes > len(self.data):
            raise ValueError("a fragment whose samples do not lie in its data")

    def _sample(self, start: int, length: int, info: Info, track: TrackProtection) -> None:
        protection = info.protection
        self.opened.samples += track.is_media
        if protection is None or not protection.is_protected or info.is_clear:
            return
        ranges = info.ranges(length)
        key = self.key_of(protection.key_id)
        sample = bytearray(self.data[start : start + length])
        number = open_sample(
            protection.scheme, key, info.iv.ljust(BLOCK, b"\0"), protection.pattern, sample, ranges
        )
        self.data[start : start + length] = sample
        if track.is_media and number >= BLOCK:
            self.opened.locked += 1
            self.opened.key_ids.add(protection.key_id)
            self.opened.is_sure &= track.codec in SURE
