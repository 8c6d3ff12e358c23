"""From media times to the stream's timeline: what manifests state, made one exact mapping.

A manifest states the time of some segments, rounded, mostly to the millisecond. All statements of
a run that can be true together bound its offset; the middle of these bounds is taken, so that a
frame keeps its place however each statement was rounded. A statement that cannot be true with the
ones before is a step of the stream's clock: from there a new mapping counts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from taskengine.capture.model import Time

ROUNDED: Final = Fraction(1, 2000)  # seconds by which a time in whole milliseconds may be wrong
ABOUT: Final = Fraction(1)  # seconds beyond its ends for which a clock counts as well
EXACT: Final = Fraction(1, 1_000_000)


@dataclass(frozen=True, slots=True)
class Statement:
    """A segment's first picture has `media` seconds in the file, and `time` on the timeline."""

    media: Time
    time: Time


@dataclass(frozen=True, slots=True)
class Step:
    """From a media time on: time = media + offset, and at most `slack` more or less. `by` says how
    far the clock stepped there."""

    media: Time
    offset: Time
    slack: Time = Fraction(0)
    by: Time = Fraction(0)


@dataclass(frozen=True, slots=True)
class Mapping:
    steps: tuple[Step, ...]

    def time(self, media: Time) -> Time:
        return media + self._step(media).offset

    def latest(self, media: Time) -> Time:
        """The time, if statements were rounded down: what decides about a range. A client that
        names the time of a picture, rounded too, means this picture."""
        step = self._step(media)
        return media + step.offset + max(Fraction(0), step.slack - EXACT)

    def media(self, time: Time) -> Time:
        """Where a time lies in the file: the last place, where the clock stepped back."""
        found = [step for step in self.steps if step.media + step.offset <= time]
        return time - (found[-1] if found else self.steps[0]).offset

    def earlier(self, by: Time) -> Mapping:
        """The same for media times that are less by so much."""
        steps = (replace(one, media=one.media - by, offset=one.offset + by) for one in self.steps)
        return Mapping(tuple(steps))

    def _step(self, media: Time) -> Step:
        place = bisect_right(self.steps, media, key=lambda step: step.media) - 1
        return self.steps[max(0, place)]

    @property
    def jumps(self) -> tuple[Step, ...]:
        """Where the stream's clock stepped."""
        return tuple(step for step in self.steps if step.by)


@dataclass(frozen=True, slots=True)
class Clock:
    """What holds for all tracks of a source, in `[start, end)` of the timeline."""

    source: int
    start: Time
    end: Time
    mapping: Mapping

    def apart(self, at: Time) -> Time:
        """By how much a time is outside."""
        return max(self.start - at, at - self.end, Fraction(0))

    def distance(self, at: Time, sources: Sequence[int]) -> tuple[Time, int]:
        """How far it is from what these sources have at a time, the first of them before others."""
        return max(self.apart(at) - ABOUT, Fraction(0)), sources.index(self.source)


def clock_of(clocks: Sequence[Clock], source: int, at: Time) -> Clock | None:
    """The one that a source has at a time, or about then."""
    found = [one for one in clocks if one.source == source and one.apart(at) <= ABOUT]
    return min(found, key=lambda one: not one.start <= at < one.end, default=None)


def mapping(statements: Sequence[Statement]) -> Mapping:
    """Of statements in the order of their media times; there is at least one."""
    steps: list[Step] = []
    media, low, high = statements[0].media, *_bounds(statements[0])
    for one in statements[1:]:
        first, last = _bounds(one)
        if max(low, first) <= min(high, last):
            low, high = max(low, first), min(high, last)
            continue
        steps.append(_step(steps, media, low, high))
        media, low, high = one.media, first, last
    steps.append(_step(steps, media, low, high))
    return Mapping(tuple(steps))


def _bounds(one: Statement) -> tuple[Time, Time]:
    offset = one.time - one.media
    precision = ROUNDED if one.time * 1000 % 1 == 0 else EXACT
    return offset - precision, offset + precision


def _step(steps: list[Step], media: Time, low: Time, high: Time) -> Step:
    offset = (low + high) / 2
    by = offset - steps[-1].offset if steps else Fraction(0)
    return Step(media, offset, (high - low) / 2, by)
