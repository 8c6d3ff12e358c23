"""Breaks at their pictures: where clips are parted for sync samples, and the markers of the result.

Pure. A position counts what is shown of a clip, from its first picture.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from taskengine.capture.model import Time
from taskengine.capture.packets import Format
from taskengine.capture.pieces import Piece, Span
from taskengine.capture.showing import Rendition, Shown
from taskengine.jobs.clip_markers import ClipEvent
from taskengine.media.markers import Marker
from taskengine.media.scte35 import splice_insert


@dataclass(frozen=True, slots=True)
class SnappedEvent:
    """A break on the timeline of its clip's source, at the pictures nearest to its times; `end` is
    None where the clip ends before."""

    event: ClipEvent
    start: Time
    end: Time | None


def snapped(rendition: Rendition, events: Iterable[ClipEvent]) -> Iterator[SnappedEvent | None]:
    """None for a break that begins behind the clip."""
    for event in events:
        start = _picture(rendition, event.start)
        end = _picture(rendition, event.end)
        yield None if start is None else SnappedEvent(event, start, end)


def _picture(rendition: Rendition, position: Time) -> Time | None:
    """When the picture nearest to a position is shown; None at the end and behind it."""
    for piece in rendition.pieces:
        stretch = rendition.looked[piece.stretch].stretch
        time = piece.start + position
        half = stretch.length / 2
        if time < piece.end - half:
            found = bisect_left(range(piece.first, piece.last), time - half, key=stretch.time)
            return stretch.time(min(piece.first + found, piece.last - 1))
        position -= piece.end - piece.start
    return None


def parted(shown: Shown, times: Sequence[Time]) -> Shown:
    """With pieces that begin at these times: each begins with a sync sample in the result."""
    renditions = {
        name: replace(one, pieces=tuple(_parted(one, times)))
        for name, one in shown.renditions.items()
    }
    return replace(shown, renditions=renditions)


def _parted(rendition: Rendition, times: Sequence[Time]) -> Iterator[Piece]:
    for piece in rendition.pieces:
        stretch = rendition.looked[piece.stretch].stretch
        own = range(piece.first, piece.last)
        bounds = {
            piece.first + bisect_left(own, time - stretch.length / 2, key=stretch.time)
            for time in times
        }
        inside = sorted(bound for bound in bounds if piece.first < bound < piece.last)
        starts = [piece.first, *inside]
        for first, last in zip(starts, [*inside, piece.last], strict=True):
            end = piece.end if last == piece.last else stretch.time(last)
            yield replace(piece, first=first, last=last, start=stretch.time(first), end=end)


@dataclass(frozen=True, slots=True)
class Placed:
    """A clip in the result: from `at` on, seconds, in pictures like the model's."""

    rendition: Rendition
    spans: Sequence[Span]
    at: Time
    model: Format

    @property
    def end(self) -> Time:
        return self.at + sum((span.length for span in self.spans), Fraction(0))

    def of(self, time: Time | None) -> Time:
        """Where the picture of a time on the source's timeline is; None: the end."""
        at = self.at
        for piece, span in zip(self.rendition.pieces, self.spans, strict=True):
            if time is not None and time < piece.end:
                return at + self._inside(piece, max(Fraction(0), time - piece.start))
            at += span.length
        return at

    def _inside(self, piece: Piece, offset: Time) -> Time:
        """Where rates differ, at a picture of the result."""
        if self.rendition.looked[piece.stretch].has_rate(self.model):
            return offset
        return round(offset * self.model.frame_rate) / self.model.frame_rate


def marker(placed: Placed, one: SnappedEvent, event_id: int) -> Marker:
    """With its messages, without an id."""
    event, start = one.event, placed.of(one.start)
    if event.is_inserted:
        end, length = start, event.duration
    else:
        end = placed.of(one.end)
        length = end - start
    return Marker(
        0,
        start,
        length,
        out=splice_insert(event_id, start, length, is_out=True),
        back=splice_insert(event_id, end, is_out=False),
        is_inserted=event.is_inserted,
        asset_uri=event.asset_uri,
        asset_list=event.asset_list,
    )
