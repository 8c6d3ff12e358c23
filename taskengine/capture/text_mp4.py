"""Captions in MP4 fragments (ISO/IEC 14496-30): WebVTT samples, and TTML documents."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Final

from taskengine.capture.cues import Cue
from taskengine.capture.model import Time
from taskengine.media.boxes import boxes

MAX_SAMPLES: Final = 100_000  # of a segment
INSIDE = {b"moov", b"trak", b"mdia", b"moof", b"traf"}


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of a text track, with its times on the track's own clock, in seconds."""

    start: Time
    duration: Time
    data: bytes


def samples(init: bytes, segment: bytes) -> list[Sample]:
    """Raises ValueError for what is no fragment of a track."""
    try:
        found = list(islice(_samples(init, segment), MAX_SAMPLES + 1))
    except (struct.error, IndexError, OverflowError, RecursionError) as error:
        raise ValueError(f"a fragment of text that cannot be read: {error}") from None
    if len(found) > MAX_SAMPLES:
        raise ValueError(f"more than {MAX_SAMPLES} samples of text")
    return found


def webvtt_cues(found: list[Sample]) -> Iterator[Cue]:
    """Of samples of `wvtt`; a sample without a cue is a pause."""
    for sample in found:
        for kind, start, end in boxes(sample.data):
            if kind == b"vttc":
                parts = {k: sample.data[a:b] for k, a, b in boxes(sample.data, start, end)}
                text = parts.get(b"payl", b"").decode("utf-8", "replace")
                settings = parts.get(b"sttg", b"").decode("utf-8", "replace")
                if text:
                    yield Cue(sample.start, sample.start + sample.duration, text, settings)


def _samples(init: bytes, segment: bytes) -> Iterator[Sample]:
    scale, defaults = _scale(init), _trex(init)
    for kind, start, end in boxes(segment):
        if kind == b"moof":
            moof = start - 8
            for inner, first, last in boxes(segment, start, end):
                if inner == b"traf":
                    yield from _of_track(segment, moof, first, last, scale, defaults)


def _of_track(
    data: bytes, moof: int, start: int, end: int, scale: int, defaults: tuple[int, int]
) -> Iterator[Sample]:
    length, size = defaults
    base, time = moof, 0
    for kind, first, _ in boxes(data, start, end):
        if kind == b"tfhd":
            flags = int.from_bytes(data[first + 1 : first + 4], "big")
            place = first + 8
            if flags & 1:
                [base] = struct.unpack_from(">Q", data, place)
            place += 8 * (flags & 1) + 4 * bool(flags & 2)
            if flags & 8:
                [length] = struct.unpack_from(">I", data, place)
                place += 4
            if flags & 16:
                [size] = struct.unpack_from(">I", data, place)
        elif kind == b"tfdt":
            [time] = struct.unpack_from(">Q" if data[first] else ">I", data, first + 4)
        elif kind == b"trun":
            for one in _run(data, first, base, (length, size)):
                own, at, number = one
                yield Sample(Fraction(time, scale), Fraction(own, scale), data[at : at + number])
                time += own


def _run(
    data: bytes, first: int, base: int, defaults: tuple[int, int]
) -> Iterator[tuple[int, int, int]]:
    """Duration, place and size of each sample."""
    flags = int.from_bytes(data[first + 1 : first + 4], "big")
    [count] = struct.unpack_from(">I", data, first + 4)
    place, at = first + 8, base
    if flags & 1:
        at += struct.unpack_from(">i", data, place)[0]
    place += 4 * bool(flags & 1) + 4 * bool(flags & 4)
    for _ in range(min(count, len(data))):
        length, size = defaults
        if flags & 0x100:
            [length] = struct.unpack_from(">I", data, place)
            place += 4
        if flags & 0x200:
            [size] = struct.unpack_from(">I", data, place)
            place += 4
        place += 4 * bool(flags & 0x400) + 4 * bool(flags & 0x800)
        yield length, at, size
        at += size


def _scale(init: bytes) -> int:
    found = _inner(init, b"mdhd", 0, len(init))
    if found is None:
        return 1000
    [scale] = struct.unpack_from(">I", init, found + (20 if init[found] else 12))
    return int(scale) or 1000


def _trex(init: bytes) -> tuple[int, int]:
    place = init.find(b"trex")
    if place < 0:
        return 0, 0
    length, size = struct.unpack_from(">II", init, place + 16)
    return length, size


def _inner(data: bytes, wanted: bytes, start: int, end: int) -> int | None:
    for kind, first, last in boxes(data, start, end):
        if kind == wanted:
            return first
        if kind in INSIDE and (found := _inner(data, wanted, first, last)) is not None:
            return found
    return None
