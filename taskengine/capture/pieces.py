"""Pieces of a clip: which pictures of which files make `[start, end)`, and what is missing.

Pure: it is given the pictures of each stretch, a row of neighbouring segments of one source that
can be put together as they are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import islice, pairwise
from statistics import median

from taskengine.capture.clock import Mapping
from taskengine.capture.model import Fetched, Gap, Time
from taskengine.capture.moments import to_millisecond

ADJACENT = Fraction(1, 20)  # seconds between segments that follow each other
SILENCE = Fraction(1, 20)  # seconds without sound that are a gap
BLANK = -1  # in place of a stretch
TELLING = 1_000  # pictures that tell how long one is shown


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame of a stretch, in the order in which they are shown."""

    media: Time  # seconds in the file
    segment: int  # place in the stretch of the segment that holds it
    is_key: bool


@dataclass(frozen=True)
class Stretch:
    """Neighbouring segments; `mapping` leads from the file's times to the timeline."""

    segments: tuple[Fetched, ...]
    pictures: Sequence[Picture]
    mapping: Mapping

    @cached_property
    def length(self) -> Time:
        """How long a picture is shown, mostly, as the first ones tell."""
        times = [picture.media for picture in islice(self.pictures, TELLING)]
        steps = [later - earlier for earlier, later in pairwise(times)]
        return Fraction(median(steps)) if steps else Fraction(1, 25)

    def time(self, place: int) -> Time:
        return self.mapping.time(self.pictures[place].media)

    def first_at(self, time: Time) -> int:
        """The first picture at or after a time, both to the millisecond (A68)."""
        return bisect_left(
            self.pictures,
            time,
            key=lambda picture: to_millisecond(self.mapping.latest(picture.media)),
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """Pictures `[first, last)` of a stretch."""

    stretch: int
    first: int
    last: int
    start: Time  # on the timeline
    end: Time

    @property
    def number(self) -> int:
        return self.last - self.first

    @property
    def is_blank(self) -> bool:
        """Nobody had it: black pictures stand for it."""
        return self.stretch == BLANK


@dataclass(frozen=True, slots=True)
class Span:
    """What a piece shows: `[start, end)` on the timeline."""

    start: Time
    end: Time

    @property
    def length(self) -> Time:
        return self.end - self.start


def stretches(
    segments: Sequence[Fetched], *, over_sources: bool = False
) -> Iterator[tuple[Fetched, ...]]:
    """A track's segments, in their order, parted where they do not simply follow each other.

    `over_sources`: those of several sources stay together if their initialization is the same.
    """
    current: list[Fetched] = []
    for one in segments:
        is_next = bool(current) and (
            _follows(current[-1], one) or (over_sources and _continues(current[-1], one))
        )
        if current and not is_next:
            yield tuple(current)
            current = []
        current.append(one)
    if current:
        yield tuple(current)


def _follows(before: Fetched, after: Fetched) -> bool:
    return (
        before.source == after.source
        and before.segment.run == after.segment.run
        and before.init_file == after.init_file
        and abs(after.start - before.end) < ADJACENT
    )


def _continues(before: Fetched, after: Fetched) -> bool:
    is_same = before.init_file == after.init_file != ""
    return is_same and abs(after.start - before.end) < ADJACENT


def pieces(given: Sequence[Stretch], start: Time, end: Time) -> list[Piece]:
    """Each picture of `[start, end)` once, from the first stretch that has it (A68)."""
    found: list[Piece] = []
    shown: Time | None = None  # until when pictures are there
    for place, stretch in enumerate(given):
        first, last = stretch.first_at(start), stretch.first_at(end)
        if shown is not None:  # a stretch before has these
            after = shown - stretch.length / 2
            first = max(first, bisect_left(range(last), after, key=stretch.time))
        if first < last:
            begins, shown = stretch.time(first), stretch.time(last - 1) + stretch.length
            found.append(Piece(place, first, last, begins, shown))
    return found


def covering(
    groups: Sequence[Sequence[Stretch]], start: Time, end: Time, length: Time
) -> tuple[list[Piece], list[Gap]]:
    """Pieces from the first group of stretches; what is missing there, from the next ones. Their
    `stretch` counts through all groups. And what is missing in all."""
    found: list[Piece] = []
    missing, passed = [Gap(start, end)], 0
    for group in groups:
        left: list[Gap] = []
        for gap in missing:
            own = pieces(group, gap.start, gap.end)
            found += [replace(piece, stretch=piece.stretch + passed) for piece in own]
            left += gaps(own, gap.start, gap.end, length)
        missing, passed = left, passed + len(group)
    return sorted(found, key=lambda piece: piece.start), missing


def filled(found: Sequence[Piece], start: Time, end: Time, length: Time) -> list[Piece]:
    """The same with blank ones for what is missing. At the ends of `[start, end)` they have whole
    pictures; between others they last exactly until the next one."""
    made: list[Piece] = []
    before = round((found[0].start - start) / length)
    at = found[0].start - before * length
    for piece in found:
        if round((piece.start - at) / length) > 0:
            made.append(Piece(BLANK, 0, 0, at, piece.start))
        made.append(piece)
        at = piece.end
    after = round((end - at) / length)
    return [*made, Piece(BLANK, 0, 0, at, at + after * length)] if after > 0 else made


def uncovered(there: Iterable[tuple[Time, Time]], start: Time, end: Time) -> list[Gap]:
    """What sound, from and to these times in their order, leaves of `[start, end)` without any;
    less than a moment is none."""
    missing: list[Gap] = []
    at = start
    for begins, ends in there:
        if begins >= end:
            break
        if begins > at + SILENCE:
            missing.append(Gap(at, begins))
        at = max(at, ends)
    if at + SILENCE < end:
        missing.append(Gap(at, end))
    return missing


def gaps(found: Sequence[Piece], start: Time, end: Time, length: Time) -> list[Gap]:
    """What is missing between pieces: from the first missing picture to the next one present."""
    missing: list[Gap] = []
    at = start
    for piece in found:
        if to_millisecond(piece.start) >= at + length:
            missing.append(Gap(at, piece.start))
        at = max(at, piece.end)
    if at + length / 2 < end:
        missing.append(Gap(at, end))
    return missing
