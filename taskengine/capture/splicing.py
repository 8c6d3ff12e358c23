"""Which pictures of a piece are copied and which are encoded anew. Pure.

Whole segments are copied bit by bit. Of the segments at a piece's ends only some pictures are
wanted: these are encoded. Where groups of pictures are open, the first pictures of a segment need
the one before: they are encoded too, if that one is not copied.
"""

from __future__ import annotations

from dataclasses import dataclass

from taskengine.capture.pieces import Piece, Stretch


@dataclass(frozen=True, slots=True)
class Part:
    """Pictures `[first, last)` of a stretch, taken from its segments `[begin, end)`."""

    first: int
    last: int
    begin: int
    end: int
    is_copied: bool

    @property
    def number(self) -> int:
        return self.last - self.first


def parts(stretch: Stretch, piece: Piece, *, is_open: bool) -> list[Part]:
    """In their order; together they are the pictures of the piece."""
    bounds, keys = _bounds(stretch), _keys(stretch)
    whole = [
        place
        for place, (first, last) in enumerate(bounds)
        if piece.first <= first < last <= piece.last and place in keys
    ]
    run = _longest_run(whole)
    if not run:
        return [_encoded(stretch, piece.first, piece.last, is_open=is_open)]
    begin, end = run[0], run[-1] + 1
    keyed, stop = keys[begin], bounds[end - 1][1]
    found = [Part(keyed, stop, begin, end, is_copied=True)]
    if piece.first < keyed:
        found.insert(0, _encoded(stretch, piece.first, keyed, is_open=is_open))
    if stop < piece.last:
        found.append(_encoded(stretch, stop, piece.last, is_open=is_open))
    return found


def _encoded(stretch: Stretch, first: int, last: int, *, is_open: bool) -> Part:
    """With the segment before, where pictures may need it."""
    begin = stretch.pictures[first].segment - is_open
    end = max(stretch.pictures[place].segment for place in (first, last - 1)) + 1
    return Part(first, last, max(0, begin), end, is_copied=False)


def _bounds(stretch: Stretch) -> list[tuple[int, int]]:
    """The pictures of each segment; empty where it has none."""
    found = [(0, 0)] * len(stretch.segments)
    for place, picture in enumerate(stretch.pictures):
        first, last = found[picture.segment]
        found[picture.segment] = (first if last else place, place + 1)
    return found


def _keys(stretch: Stretch) -> dict[int, int]:
    """The first keyframe of each segment: what is shown before it needs the segment before."""
    found: dict[int, int] = {}
    for place, picture in enumerate(stretch.pictures):
        if picture.is_key:
            found.setdefault(picture.segment, place)
    return found


def _longest_run(places: list[int]) -> list[int]:
    """Of neighbours."""
    best: list[int] = []
    current: list[int] = []
    for place in places:
        current = [*current, place] if current and place == current[-1] + 1 else [place]
        best = max(best, current, key=len)
    return best
