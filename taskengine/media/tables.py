"""The samples of a track of any MP4, whole or fragmented, from its tables: no media is read.

Raises ValueError for what cannot be read here: tracks of several kinds or edits, what is encrypted.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final

import trio

from taskengine.media.boxes import boxes, inner, read_moov
from taskengine.media.fragments import Header, Samples, header_of, read_samples

MAX_SAMPLES: Final = 20_000_000  # of a track: four days of sound


def read_track(path: Path, number: int) -> tuple[Header, Samples]:
    """A track by its place in the file, from 0, as ffprobe counts. Blocking. Raises ValueError and
    OSError."""
    try:
        moov = read_moov(path)
        tracks = [place for kind, *place in boxes(moov, 8) if kind == b"trak"]
        if number >= len(tracks):
            raise ValueError(f"there is no track {number}")
        header = header_of(moov, (8, len(moov)), *tracks[number])
        if inner(moov, "mvex", 8):
            return header, read_samples(path, header)
        return header, _samples(moov, header, *tracks[number])
    except (struct.error, IndexError, OverflowError) as error:
        raise ValueError(f"tables that cannot be read: {error}") from None


async def keyframes(path: Path, number: int) -> list[float]:
    """The times of a video track's keyframes, seconds."""
    header, samples = await trio.to_thread.run_sync(read_track, path, number)
    shown = zip(samples.shown, samples.keys, strict=True)
    return sorted(time / header.scale for time, is_key in shown if is_key)


def shown_at(header: Header, samples: Samples, position: float) -> float:
    """The time, in seconds, of the picture that is on screen at a position: the last one that came
    up before."""
    times = sorted(time for time in samples.shown if time >= 0) or [0]
    place = bisect_right(times, round(Fraction(position) * header.scale))
    return times[max(0, place - 1)] / header.scale


def _samples(data: bytes, header: Header, first: int, last: int) -> Samples:
    found = inner(data, "mdia/minf/stbl", first, last)
    if found is None:
        raise ValueError("a track without tables")
    table = {kind: place for kind, place, _ in boxes(data, *found)}
    sizes = _sizes(data, table)
    made = Samples(sizes=sizes, lengths=_runs(data, table[b"stts"], "I", len(sizes)))
    times = accumulate(made.lengths, initial=-header.early)
    made.decoded.extend(time for time, _ in zip(times, sizes, strict=False))
    offsets = _runs(data, table[b"ctts"], "i", len(sizes)) if b"ctts" in table else None
    made.shown = made.decoded[:] if offsets is None else _sum(made.decoded, offsets)
    made.keys = _keys(data, table, len(sizes))
    made.places.extend(_places(data, table, sizes))
    return made


def _sum(times: array[int], offsets: array[int]) -> array[int]:
    return array("q", map(int.__add__, times, offsets))


def _sizes(data: bytes, table: dict[bytes, int]) -> array[int]:
    if b"stsz" not in table:
        raise ValueError("a track without sizes")
    same, count = struct.unpack_from(">II", data, table[b"stsz"] + 4)
    if count > MAX_SAMPLES:
        raise ValueError("a track of too many samples")
    return array("I", [same]) * count if same else _column(data, table[b"stsz"] + 12, count, "I")


def _column(data: bytes, place: int, count: int, kind: str) -> array[int]:
    found = array(kind)
    end = place + count * found.itemsize
    if end > len(data):
        raise ValueError("a table that says more than it has")
    found.frombytes(data[place:end])
    if sys.byteorder == "little":
        found.byteswap()
    return found


def _runs(data: bytes, place: int, kind: str, count: int) -> array[int]:
    """A value for each sample, of a table of how many have which."""
    [rows] = struct.unpack_from(">I", data, place + 4)
    numbers, values = (_column(data, place + 8, 2 * rows, sign) for sign in ("I", kind))
    found = array(kind)
    for number, value in zip(numbers[::2], values[1::2], strict=True):
        if number > count - len(found):
            raise ValueError("a table of more samples than there are")
        found.extend(array(kind, [value]) * number)
    if len(found) < count:
        raise ValueError("a table of fewer samples than there are")
    return found


def _keys(data: bytes, table: dict[bytes, int], count: int) -> bytearray:
    if b"stss" not in table:
        return bytearray(b"\1") * count
    [rows] = struct.unpack_from(">I", data, table[b"stss"] + 4)
    keys = bytearray(count)
    for number in _column(data, table[b"stss"] + 8, rows, "I"):
        if not 0 < number <= count:
            raise ValueError("a keyframe that is no sample")
        keys[number - 1] = 1
    return keys


def _places(data: bytes, table: dict[bytes, int], sizes: array[int]) -> Iterator[int]:
    """Where each sample lies in the file."""
    name, kind = (b"co64", "Q") if b"co64" in table else (b"stco", "I")
    [rows] = struct.unpack_from(">I", data, table[name] + 4)
    chunks = _column(data, table[name] + 8, rows, kind)
    [rows] = struct.unpack_from(">I", data, table[b"stsc"] + 4)
    said = _column(data, table[b"stsc"] + 8, 3 * rows, "I")
    at = 0
    for (first, number), (behind, _) in pairwise(
        [*zip(said[::3], said[1::3], strict=True), (len(chunks) + 1, 0)]
    ):
        for place in chunks[first - 1 : behind - 1]:
            for size in sizes[at : at + number]:
                yield place
                place += size
            at += number
