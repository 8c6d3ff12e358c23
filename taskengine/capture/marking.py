"""Breaks on the timeline of a result: at the picture that is shown then, for as long as it lasts.

A break that began before a piece begins with it; one that goes on behind it ends with it. Parts
of it that follow each other in the result are one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from typing import Final

from taskengine.capture.breaks import Break, Remark
from taskengine.capture.model import Time
from taskengine.capture.pieces import Piece, Span, Stretch
from taskengine.capture.showing import Rendition
from taskengine.media.markers import Marker
from taskengine.media.scte35 import read_message, splice_insert

OWN: Final = Fraction(1, 1000)  # seconds by which a tag's time and its segment's differ at most


@dataclass(frozen=True, slots=True)
class Place:
    """A piece that is shown from `at` on, in seconds of the result, as long as `length`; `half` is
    half of what a picture lasts."""

    stretch: Stretch
    piece: Piece
    at: Time
    length: Time
    half: Time

    def of(self, time: Time) -> Time | None:
        """Of the picture that is shown at a time, the nearest one; None outside of the piece."""
        found = self._picture(time)
        if not self.piece.first <= found < self.piece.last:
            return None
        pictures = self.stretch.pictures
        return self.at + pictures[found].media - pictures[self.piece.first].media

    def is_before(self, time: Time) -> bool:
        return self._picture(time) >= self.piece.last

    def is_after(self, time: Time) -> bool:
        """Also if its first picture is shown then."""
        return self._picture(time) <= self.piece.first

    def _picture(self, time: Time) -> int:
        """The first one of the segment that begins then, else the nearest one; as many as there
        are for times behind them all."""
        stretch = self.stretch
        number = bisect_left(stretch.segments, time - OWN, key=lambda one: one.start)
        if number < len(stretch.segments) and stretch.segments[number].start < time + OWN:
            return bisect_left(stretch.pictures, number, key=lambda one: one.segment)
        return bisect_left(range(len(stretch.pictures)), time - self.half, key=stretch.time)


def places(rendition: Rendition, spans: Sequence[Span], at: Time) -> list[Place | SoundPlace]:
    """Where the pieces of a clip's best rendition are in the result, from `at` on. What is filled
    has no pictures to look for: its places are those of its times."""
    found: list[Place | SoundPlace] = []
    halves: dict[int, Time] = {}
    for piece, span in zip(rendition.pieces, spans, strict=True):
        if piece.is_blank:
            found.append(SoundPlace(Span(piece.start, piece.start + span.length), at))
            at += span.length
            continue
        stretch = rendition.looked[piece.stretch].stretch
        half = halves.setdefault(piece.stretch, stretch.length / 2)
        found.append(Place(stretch, piece, at, span.length, half))
        at += span.length
    return found


@dataclass(frozen=True, slots=True)
class SoundPlace:
    """Sound without pictures, heard from `at` on, in seconds of the result."""

    span: Span
    at: Time

    @property
    def length(self) -> Time:
        return self.span.length

    def of(self, time: Time) -> Time | None:
        is_inside = self.span.start <= time < self.span.end
        return self.at + time - self.span.start if is_inside else None

    def is_before(self, time: Time) -> bool:
        return time >= self.span.end

    def is_after(self, time: Time) -> bool:
        return time <= self.span.start


Shows = Sequence[Place | SoundPlace]


def heard(spans: Sequence[Span], at: Time) -> list[Place | SoundPlace]:
    """Where the sound of a clip without pictures is in the result, from `at` on."""
    starts = accumulate((span.length for span in spans), initial=at)
    return [SoundPlace(span, start) for span, start in zip(spans, starts, strict=False)]


@dataclass(frozen=True, slots=True)
class _Part:
    """Of a break, in seconds of the result."""

    start: Time
    end: Time
    begins: bool  # with the beginning of the break
    ends: bool


def markers(
    shown: Shows, found: Sequence[Break], remarks: Sequence[Remark], zero: Time = Fraction(0)
) -> list[Marker]:
    """Of one clip, without ids; messages have the times of the result's media, which begin with
    `zero`."""
    made = [marker for one in found for marker in _of_break(shown, one, zero)]
    for remark in remarks:
        times = (at for place in shown if (at := place.of(remark.time)) is not None)
        if (at := next(times, None)) is not None:
            made.append(Marker(0, at, other=_moved(remark.section, zero + at)))
    return made


def numbered(made: Iterable[Marker], zero: Time = Fraction(0)) -> list[Marker]:
    """Those of all clips in the order of the result, with ids from 1."""
    ordered = sorted(made, key=lambda one: one.start)
    return [_complete(replace(one, id=number), zero) for number, one in enumerate(ordered, 1)]


def _complete(one: Marker, zero: Time) -> Marker:
    """A break always begins with a message, and ends with one where it is known to end."""
    if one.other:
        return one
    out = one.out or splice_insert(one.id, zero + one.start, one.duration, is_out=True)
    return replace(one, out=out)


def _of_break(shown: Shows, one: Break, zero: Time) -> Iterator[Marker]:
    for part in _joined(_parts(shown, one)):
        length = None if one.end is None else part.end - part.start
        is_cut = not (part.begins and part.ends)
        out = _moved(one.out, zero + part.start, length if is_cut else None)
        back = b""
        if part.ends and one.is_ended:
            at = zero + part.end
            back = _moved(one.back, at) or splice_insert(_event(one), at, is_out=False)
        yield Marker(0, part.start, length, out, back)


def _event(one: Break) -> int:
    """What a break's own end speaks of."""
    said = read_message(one.out).event_id if one.out else None
    return said or 0


def _parts(shown: Shows, one: Break) -> list[_Part]:
    found: list[_Part] = []
    for place in shown:
        if place.is_before(one.start):
            continue
        if one.end is not None and place.is_after(one.end):
            if found and found[-1].end == place.at:  # it ends with the piece before
                found[-1] = replace(found[-1], ends=True)
            break
        begins = place.of(one.start)
        ends = place.of(one.end) if one.end is not None else None
        start = place.at if begins is None else begins
        end = place.at + place.length if ends is None else ends
        found.append(_Part(start, end, begins is not None, ends is not None))
    return [part for part in found if part.start < part.end]


def _joined(parts: Iterable[_Part]) -> list[_Part]:
    found: list[_Part] = []
    for part in parts:
        if found and found[-1].end == part.start and not part.begins:
            found[-1] = replace(found[-1], end=part.end, ends=part.ends)
        else:
            found.append(part)
    return found


def _moved(section: bytes, at: Time, length: Time | None = None) -> bytes:
    return read_message(section).moved(at, length) if section else b""
