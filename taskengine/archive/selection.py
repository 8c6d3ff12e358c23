"""What an asset shows of an archive: whole segments, in spans of which all tracks are there. Pure.

The first video track decides, or sound where there is none. A span ends where it does: at a gap of
any track, at another initialization, at media that does not go on. Of the other tracks a span has the
segments whose middle lies in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from taskengine.archive.index import Placed, Recorded
from taskengine.capture.model import Gap, Time
from taskengine.capture.pieces import ADJACENT, uncovered

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
        return self.main[0][1].start

    @property
    def length(self) -> Time:
        return sum((one.duration for _, one in self.main), self.start - self.start)

    @property
    def inits(self) -> tuple[str, ...]:
        """What its tracks are initialized with."""
        return tuple(own[0][1].init for own in self.segments.values())


def spans(recorded: Recorded, names: Sequence[str]) -> list[ArchivedSpan]:
    """Of the tracks of these names, the one that decides first."""
    rows = {name: recorded.segments.get(name, []) for name in names}
    main = _there(rows)
    borders = _borders(rows)
    found = []
    for run in _runs(main, borders):
        start, end = run[0][1].start, run[-1][1].end
        others = {
            name: [one for one in row if start <= _middle(one) < end]
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


def missing(found: Sequence[Gap]) -> Time:
    return sum((gap.end - gap.start for gap in found), Time(0))


def _there(rows: Mapping[str, Sequence[Placed]]) -> list[Placed]:
    """The segments of the main track during which all others are there as well."""
    main, *others = rows.values()
    lacks: list[tuple[Time, Time]] = []
    for row in others if main else ():
        there = [(one.start, one.end) for _, one in row]
        holes = uncovered(there, main[0][1].start, main[-1][1].end)
        lacks += [(gap.start, gap.end) for gap in holes]
    return [placed for placed in main if not _is_lacked(placed, lacks)]


def _is_lacked(placed: Placed, lacks: Sequence[tuple[Time, Time]]) -> bool:
    one = placed[1]
    lost = sum(max(Time(0), min(one.end, end) - max(one.start, start)) for start, end in lacks)
    return lost * HALF > one.duration


def _borders(rows: Mapping[str, Sequence[Placed]]) -> list[Time]:
    """Where the media of any track does not go on."""
    return sorted(
        after[1].start
        for row in rows.values()
        for before, after in pairwise(row)
        if not after[1].follows(before[1], ADJACENT)
    )


def _runs(main: Sequence[Placed], borders: Sequence[Time]) -> Iterator[list[Placed]]:
    """Neighbouring segments without a border between them: one is at the start that is nearest."""
    run: list[Placed] = []
    for placed in main:
        if run and _is_parted(run[-1], placed, borders):
            yield run
            run = []
        run.append(placed)
    if run:
        yield run


def _is_parted(before: Placed, after: Placed, borders: Sequence[Time]) -> bool:
    if not after[1].follows(before[1], ADJACENT):
        return True
    return any(_middle(before) < border <= _middle(after) for border in borders)


def _middle(placed: Placed) -> Time:
    return placed[1].start + placed[1].duration / 2
