"""Closed captions inside pictures (ANSI/SCTE 128, ATSC A/53): the bytes that each picture carries.

They lie in SEI messages before a picture's slices, so that only the beginnings of packets are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

MARK: Final = b"\xb5\x00\x31GA94\x03"  # ITU-T T.35: the United States, ATSC, cc_data
MAX_SEI: Final = 1 << 14  # bytes
MAX_UNITS: Final = 32  # before the first slice of a picture
USER_DATA: Final = 4
SEI: Final = {"h264": 6, "hevc": 39}
SLICES: Final = {"h264": range(1, 6), "hevc": range(32)}


@dataclass(frozen=True, slots=True)
class CcData:
    """Of one picture: when it is shown, in seconds, and triples of type and two bytes. Types 0 and
    1 are the fields of CEA-608, 2 and 3 are of CEA-708."""

    time: Fraction
    triples: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class PacketPlaces:
    """Of the pictures in a file, as columns: when each is shown, in units of `base` seconds, where
    it lies, and its bytes."""

    base: Fraction
    times: Sequence[int]
    places: Sequence[int]
    sizes: Sequence[int]

    def rows(self) -> Iterator[tuple[int, int, int]]:
        """In the order in which they are shown."""
        order = sorted(range(len(self.times)), key=self.times.__getitem__)
        return ((self.times[n], self.places[n], self.sizes[n]) for n in order)


def read_cc_data(path: Path, codec: str, found: PacketPlaces) -> Iterator[CcData]:
    """Of the pictures that have some. Blocking."""
    with path.open("rb") as file:
        for time, place, size in found.rows():
            triples = tuple(_triples(file.fileno(), codec, place, place + size))
            if triples:
                yield CcData(time * found.base, triples)


def _triples(file: int, codec: str, place: int, end: int) -> Iterator[tuple[int, int, int]]:
    for _ in range(MAX_UNITS):
        head = os.pread(file, 5, place)
        if len(head) < 5 or place >= end:
            return
        size, kind = int.from_bytes(head[:4], "big"), _kind(codec, head[4])
        if kind in SLICES[codec]:
            return
        if kind == SEI[codec]:
            unit = os.pread(file, min(size, MAX_SEI), place + 4)
            yield from cc_of_sei(unit[1 if codec == "h264" else 2 :])
        place += 4 + size


def _kind(codec: str, head: int) -> int:
    return head & 31 if codec == "h264" else head >> 1 & 63


def cc_of_sei(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Of the messages of a SEI unit, without its head."""
    data, place = data.replace(b"\0\0\3", b"\0\0"), 0
    while place + 2 < len(data):
        kind, place = _number(data, place)
        size, place = _number(data, place)
        own = data[place : place + size]
        if kind == USER_DATA and own.startswith(MARK) and len(own) > 10 and own[8] & 0x40:
            for n in range(10, min(10 + 3 * (own[8] & 31), len(own) - 2), 3):
                if own[n] & 4:  # it counts
                    yield own[n] & 3, own[n + 1], own[n + 2]
        place += size


def _number(data: bytes, place: int) -> tuple[int, int]:
    """In steps of 255."""
    found = 0
    while place < len(data) and data[place] == 255:
        found, place = found + 255, place + 1
    return (found + data[place], place + 1) if place < len(data) else (found, place)
