"""Which pictures of a piece are copied and which are encoded anew. Pure.

Whole groups of pictures are copied bit by bit (whole segments, where samples cannot be told apart).
Of the groups at a piece's ends only some pictures are wanted: these are encoded, two groups at most
for a joint. Where groups are open, one begins with a picture that does not start the decoder anew:
nothing can be put before it but what was there, so all of the piece is encoded, unless it is whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

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
    bounds, keyed = _bounds(stretch), _keyed(stretch)
    whole = [
        place
        for place, (first, last) in enumerate(bounds)
        if piece.first <= first < last <= piece.last and place in keyed
    ]
    run = _longest_run(whole)
    is_whole = bool(run) and (bounds[run[0]][0], bounds[run[-1]][1]) == (piece.first, piece.last)
    if not run or (is_open and not is_whole):
        return [_encoded(stretch, piece.first, piece.last, is_open=is_open)]
    begin, end = run[0], run[-1] + 1
    copied = Part(bounds[begin][0], bounds[end - 1][1], begin, end, is_copied=True)
    return _with_ends(piece, copied, partial(_encoded, stretch, is_open=is_open))


def parts_by_group(stretch: Stretch, piece: Piece, *, is_open: bool) -> list[Part]:
    """The same, where groups of pictures can be told apart inside of segments."""
    pictures = stretch.pictures
    wanted = range(piece.first, piece.last)
    start = next((place for place in wanted if pictures[place].is_key), piece.last)
    if piece.last == len(pictures):
        stop = piece.last
    else:  # the next group begins there, or inside
        keys = (place for place in range(piece.last, start, -1) if pictures[place].is_key)
        stop = next(keys, start)
    is_whole = (start, stop) == (piece.first, piece.last)
    if start >= stop or (is_open and not is_whole):
        return [_decoded(stretch, piece.first, piece.last, is_open=is_open)]
    begin, end = pictures[start].segment, pictures[stop - 1].segment + 1
    copied = Part(start, stop, begin, end, is_copied=True)
    return _with_ends(piece, copied, partial(_decoded, stretch, is_open=is_open))


def _with_ends(piece: Piece, copied: Part, encoded: Callable[[int, int], Part]) -> list[Part]:
    """What is copied, and what of the piece is before and behind it."""
    before = [encoded(piece.first, copied.first)] if piece.first < copied.first else []
    behind = [encoded(copied.last, piece.last)] if copied.last < piece.last else []
    return [*before, copied, *behind]


def _decoded(stretch: Stretch, first: int, last: int, *, is_open: bool) -> Part:
    """With the segment of the keyframe that the first picture needs."""
    key = next((place for place in range(first, -1, -1) if stretch.pictures[place].is_key), first)
    part = _encoded(stretch, first, last, is_open=is_open)
    begin = max(0, stretch.pictures[key].segment - is_open)
    return replace(part, begin=min(begin, part.begin))


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


def _keyed(stretch: Stretch) -> set[int]:
    """The segments with a keyframe."""
    return {picture.segment for picture in stretch.pictures if picture.is_key}


def _longest_run(places: list[int]) -> list[int]:
    """Of neighbours; the first one, if several are as long."""
    runs: list[list[int]] = []
    for place in places:
        if runs and place == runs[-1][-1] + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return max(runs, key=len, default=[])
