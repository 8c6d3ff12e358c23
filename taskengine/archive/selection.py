"""What an asset shows of an archive: whole segments, in spans of which all tracks are there. Pure.

The first video track decides, or sound where there is none. A span ends at a gap of any track, at
another initialization, at media that does not go on. Of the other tracks a span has the segments
whose middle lies in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from taskengine.archive.index import ArchivedRange, Placed
from taskengine.archive.segments import ArchivedSegment, microseconds, seconds
from taskengine.capture.model import Gap, Time
from taskengine.capture.pieces import ADJACENT, uncovered

CLOSE: Final = microseconds(ADJACENT)
HALF: Final = 2  # a segment of which half is missing elsewhere is left out


@dataclass(frozen=True, slots=True)
class ArchivedSpan:
    """Segments by track that are shown one after another without a break."""

    segments: Mapping[str, Sequence[Placed]]

    @property
    def main(self) -> Sequence[Placed]:
        """Those of the track that decides."""
        return next(iter(self.segments.values()))

    @property
    def start(self) -> Time:
        return seconds(self.main[0][1].start)

    @property
    def length(self) -> Time:
        return seconds(sum(one.length for _, one in self.main))

    @property
    def inits(self) -> tuple[str, ...]:
        """What its tracks are initialized with."""
        return tuple(own[0][1].init for own in self.segments.values())


def spans(recorded: ArchivedRange, names: Sequence[str]) -> list[ArchivedSpan]:
    """Of the tracks of these names, the one that decides first."""
    rows = {name: recorded.segments.get(name, []) for name in names}
    main = _there(rows)
    borders = _borders(rows)
    found = []
    for run in _runs(main, borders):
        start, end = run[0][1].start, run[-1][1].end
        others = {
            name: [one for one in row if start <= one[1].middle < end]
            for name, row in rows.items()
            if name != names[0]
        }
        if all(others.values()):
            found.append(ArchivedSpan({names[0]: run, **others}))
    return found


def gaps(found: Sequence[ArchivedSpan], start: Time, end: Time) -> list[Gap]:
    """What of a range no span shows."""
    there = [(one.start, one.start + one.length) for one in found]
    return list(uncovered(there, start, end))


def _there(rows: Mapping[str, Sequence[Placed]]) -> list[Placed]:
    """The segments of the main track during which all others are there as well."""
    main, *others = rows.values()
    lacks = [hole for row in others for hole in _holes(row, main)]
    return [placed for placed in main if not _is_lacked(placed[1], lacks)]


def _holes(row: Sequence[Placed], main: Sequence[Placed]) -> Iterator[tuple[int, int]]:
    """What a track lacks of the time that the main one has."""
    if not main:
        return
    at = main[0][1].start
    for _, one in row:
        if one.start > at:
            yield at, one.start
        at = max(at, one.end)
    if at < main[-1][1].end:
        yield at, main[-1][1].end


def _is_lacked(one: ArchivedSegment, lacks: Sequence[tuple[int, int]]) -> bool:
    lost = sum(max(0, min(one.end, end) - max(one.start, start)) for start, end in lacks)
    return lost * HALF > one.length


def _borders(rows: Mapping[str, Sequence[Placed]]) -> list[int]:
    """Where the media of any track does not go on."""
    return sorted(
        after.start
        for row in rows.values()
        for (_, before), (_, after) in pairwise(row)
        if not after.follows(before, CLOSE)
    )


def _runs(main: Sequence[Placed], borders: Sequence[int]) -> Iterator[list[Placed]]:
    """Neighbouring segments without a border between them: one is at the start that is nearest."""
    run: list[Placed] = []
    for placed in main:
        if run and _is_parted(run[-1][1], placed[1], borders):
            yield run
            run = []
        run.append(placed)
    if run:
        yield run


def _is_parted(before: ArchivedSegment, after: ArchivedSegment, borders: Sequence[int]) -> bool:
    if not after.follows(before, CLOSE):
        return True
    return any(before.middle < border <= after.middle for border in borders)
