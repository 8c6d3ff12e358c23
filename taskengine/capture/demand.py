"""What is wanted next: stretches of tracks, and who offers them. Pure: no network, no clock.

A stretch is wanted from all sources that offer it. What rolls off first goes first; one that
failed everywhere is due again after a pause that grows, until it is given up (A73).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf
from typing import Final

from taskengine.capture.model import Segment, Time, Window
from taskengine.capture.moments import told

TOLERANCE: Final = Fraction(1, 50)  # seconds: half a frame of 25; grids of one encoder differ less
PATIENCE: Final = 60.0  # seconds after which a stretch that cannot be had is a gap
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds
LONGEST_SEGMENT: Final = 120  # seconds; longer ones are forgotten when they are fetched
MAX_STRETCHES: Final = 50_000  # of a clip (A81)
ENDLESS: Final = Fraction(10**11)  # seconds; an end behind it is that of the stream


class TooMany(Exception):
    """A clip of more segments than are taken."""


@dataclass(slots=True, eq=False)
class WantedStretch:
    """`offers` are segments by source; `times` are of a monotonic clock."""

    track: str
    start: Time
    end: Time
    offers: dict[int, Segment] = field(default_factory=dict)
    rolls_off: dict[int, float] = field(default_factory=dict)  # by source, about when
    since: float = 0.0  # when it could first be had
    due_at: float = 0.0
    failures: int = 0
    in_hand: bool = False
    reasons: dict[int, str] = field(default_factory=dict)

    def __lt__(self, other: WantedStretch) -> bool:
        return self.start < other.start

    @property
    def urgency(self) -> tuple[float, Time]:
        return min(self.rolls_off.values(), default=inf), self.start


@dataclass(slots=True)
class Demand:
    """Of one track in `[start, end)`, with what lies just before it, if it can be had."""

    track: str
    start: Time
    end: Time
    open: list[WantedStretch] = field(default_factory=list)
    done: list[tuple[Time, Time]] = field(default_factory=list)  # sorted, apart from each other
    given_up: list[WantedStretch] = field(default_factory=list)
    seen: dict[int, Time] = field(default_factory=dict)  # the end of each source's window
    oldest: Time | None = None  # the earliest start of any window
    over: set[int] = field(default_factory=set)  # sources that will offer no more
    misses: dict[int, float] = field(default_factory=dict)  # since when sources cannot be read
    _number: int = 0

    def offer(
        self, source: int, window: Window, now: float, part: Sequence[Segment] | None = None
    ) -> None:
        """A reading of a source, or a part of it. Raises TooMany."""
        self.misses.pop(source, None)
        if window.end is not None:
            self.seen[source] = window.end
        if window.is_over:
            self.over.add(source)
        oldest = window.start
        if oldest is not None:
            self.oldest = oldest if self.oldest is None else min(oldest, self.oldest)
        for segment in window.segments if part is None else part:
            if segment.end <= self.start or segment.start >= self.end:
                continue
            if self.covers(segment.start, segment.end):
                continue
            stretch = self._stretch(segment, now)
            if source not in stretch.offers:
                stretch.due_at = min(stretch.due_at, now)
            stretch.offers[source] = segment
            if not window.is_over and oldest is not None:
                stretch.rolls_off[source] = now + float(segment.end - oldest)

    def missed(self, source: int, now: float) -> bool:
        """This track of a source could not be read; whether it is the first time."""
        is_first = source not in self.misses
        self.misses.setdefault(source, now)
        return is_first

    def is_lost(self, now: float) -> bool:
        """No source can be read any more, for so long that nobody waits for it."""
        is_missed = bool(self.misses) and self.seen.keys() <= self.misses.keys()
        return is_missed and not self.open and now >= max(self.misses.values()) + PATIENCE

    def returned(self, source: int, now: float) -> None:
        """A source that was away answers again: what it offers is asked for at once."""
        for stretch in self.open:
            if source in stretch.offers:
                stretch.due_at = min(stretch.due_at, now)

    def next(self, now: float) -> WantedStretch | None:
        """The most urgent one that is due, now in the caller's hand."""
        due = (one for one in self.open if not one.in_hand and one.due_at <= now)
        if len(self.over) == len(self.seen):  # nothing rolls off: in order, without a look at all
            stretch = next(due, None)
        else:
            stretch = min(due, key=lambda one: one.urgency, default=None)
        if stretch is not None:
            stretch.in_hand = True
        return stretch

    def next_due(self) -> float:
        return min((one.due_at for one in self.open if not one.in_hand), default=inf)

    def fetched(self, stretch: WantedStretch, start: Time, end: Time) -> None:
        """A segment was had, or is there from an earlier attempt."""
        self.cover(start, end)
        if stretch in self.open:
            self.open.remove(stretch)

    def failed(self, stretch: WantedStretch, reasons: dict[int, str], now: float) -> bool:
        """No source had it; whether it is given up."""
        stretch.in_hand = False
        stretch.failures += 1
        stretch.reasons |= reasons
        if now >= stretch.since + PATIENCE:
            self.open.remove(stretch)
            self.given_up.append(stretch)
            return True
        stretch.due_at = now + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (stretch.failures - 1))
        return False

    def cover(self, start: Time, end: Time) -> None:
        """Note that this time is there, and forget what was wanted of it."""
        merged = [one for one in self.done if one[1] < start - TOLERANCE]
        after = [one for one in self.done if one[0] > end + TOLERANCE]
        touching = self.done[len(merged) : len(self.done) - len(after)]
        first = min([start, *(one[0] for one in touching)])
        last = max([end, *(one[1] for one in touching)])
        self.done = [*merged, (first, last), *after]
        low = bisect_left(self.open, WantedStretch("", start - LONGEST_SEGMENT, start))
        high = bisect_left(self.open, WantedStretch("", end, end))
        self.open[low:high] = [
            one for one in self.open[low:high] if not self.covers(one.start, one.end)
        ]

    def covers(self, start: Time, end: Time) -> bool:
        place = bisect_left(self.done, (start + TOLERANCE, Fraction(10**12)))
        return place > 0 and self.done[place - 1][1] >= end - TOLERANCE

    def gaps(self) -> Iterator[tuple[Time, Time]]:
        """What is missing of `[start, end)`."""
        at = self.start
        for first, last in self.done:
            if first > at + TOLERANCE and first < self.end:
                yield at, first
            at = max(at, last)
        if at + TOLERANCE < self.end:
            yield at, self.end

    def has_any(self, start: Time, end: Time) -> bool:
        return any(first < end and last > start for first, last in self.done)

    @property
    def share(self) -> float:
        """How much of the range is there or given up, as far as its end is known."""
        end = self.end if self.end < ENDLESS else max(self.seen.values(), default=self.start)
        length = end - self.start
        there = [*self.done, *((one.start, one.end) for one in self.given_up)]
        covered = sum(
            (max(Fraction(0), min(last, end) - max(first, self.start)) for first, last in there),
            Fraction(0),
        )
        return min(1.0, float(covered / length)) if length > 0 else 0.0

    def is_complete(self) -> bool:
        """Nothing is open, and no source will offer more of the range."""
        if self.open:
            return False
        if not any(True for _ in self.gaps()):
            return True
        return bool(self.seen or self.over) and all(
            source in self.over or end >= self.end for source, end in self.seen.items()
        )

    def _stretch(self, segment: Segment, now: float) -> WantedStretch:
        place = bisect_left(self.open, WantedStretch("", segment.start - TOLERANCE, segment.start))
        for one in self.open[place : place + 2]:
            close = abs(one.start - segment.start) < TOLERANCE
            if close and abs(one.end - segment.end) < TOLERANCE:
                return one
        self._number += 1
        if self._number > MAX_STRETCHES:
            raise TooMany(f"more than {MAX_STRETCHES} segments")
        stretch = WantedStretch(self.track, segment.start, segment.end, since=now)
        insort(self.open, stretch)
        return stretch


def shortage(demands: Sequence[Demand], start: Time, end: Time, *, has_clock: bool) -> str:
    """Why nothing of a range was had; empty if anything was."""
    if any(one.has_any(start, end) for one in demands):
        return ""
    reason = "the stream has nothing of its range"
    if (seen := offered(demands)) is not None:
        first, last = (told(time, has_clock=has_clock) for time in seen)
        reason += f", it has {first} to {last}"
    return reason


def offered(demands: Sequence[Demand]) -> tuple[Time, Time] | None:
    """From the earliest start to the latest end that any source has offered."""
    starts = [one.oldest for one in demands if one.oldest is not None]
    ends = [end for one in demands for end in one.seen.values()]
    return (min(starts), max(ends)) if starts and ends else None


def most_urgent(demands: Iterable[Demand], now: float) -> WantedStretch | None:
    """Of all that is due in any of them, now in the caller's hand."""
    found = [stretch for demand in demands if (stretch := demand.next(now)) is not None]
    for stretch in found:
        stretch.in_hand = False
    chosen = min(found, key=lambda one: (one.urgency, one.track), default=None)
    if chosen is not None:
        chosen.in_hand = True
    return chosen


def until_due(demands: Iterable[Demand], now: float) -> float:
    """Seconds until something may be fetched that nobody tells of; not for ever."""
    due = min((one.next_due() for one in demands), default=inf)
    return min(LONGEST_PAUSE, max(0.01, due - now))
