"""An asset of HLS as a live stream that loops: its playlists at any time.

Pure functions of the time: whoever asks, whenever, gets the same numbers for the same segments, so
that nothing has to be remembered from one playlist to the next.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from typing import Final

from taskengine.media.markers import Marker
from taskengine.media.marking import date_ranges, date_text

AT_LEAST: Final = 3  # segments of a playlist: RFC 8216, 6.2.2, wants as many target durations
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LENGTH: Final = re.compile(r"#EXTINF:(\d+(?:\.\d+)?)")
RANGE: Final = re.compile(r"#EXT-X-BYTERANGE:(\d+)(?:@(\d+))?")
SETUP: Final = ("#EXT-X-MAP:", "#EXT-X-KEY:")  # what counts for all segments that follow


@dataclass(frozen=True, slots=True)
class LiveSegment:
    """`lines` name its media: a URI, and before it which bytes of it."""

    length: Fraction  # seconds
    lines: tuple[str, ...]


@dataclass(frozen=True)
class LiveTrack:
    """A media playlist of the asset. `loop` is how long the asset is, in seconds: the same for all
    tracks, whose own sums differ by parts of a picture."""

    head: tuple[str, ...]
    setup: tuple[str, ...]
    segments: tuple[LiveSegment, ...]
    loop: Fraction

    @cached_property
    def ends(self) -> tuple[Fraction, ...]:
        """Of each segment, from the beginning of a loop; the last one ends with it."""
        sums = list(accumulate(one.length for one in self.segments))
        return (*sums[:-1], self.loop)

    def begin(self, number: int) -> Fraction:
        """When a segment begins, from the beginning of the stream; they are numbered through all
        loops."""
        turn, place = divmod(number, len(self.segments))
        return turn * self.loop + (self.ends[place - 1] if place else 0)

    def end(self, number: int) -> Fraction:
        turn, place = divmod(number, len(self.segments))
        return turn * self.loop + self.ends[place]

    def ended(self, elapsed: Fraction) -> int:
        """How many segments are over so many seconds after the beginning."""
        if elapsed <= 0:
            return 0
        turn, inside = divmod(elapsed, self.loop)
        return int(turn) * len(self.segments) + bisect_right(self.ends, inside)


@dataclass(frozen=True, slots=True)
class LoopingStream:
    """When it begins, in seconds since 1970, and for how many seconds one can go back."""

    start: Fraction
    window: Fraction
    markers: Sequence[Marker] = ()

    def shown(self, track: LiveTrack, now: Fraction) -> range:
        """The numbers of the segments that are offered at a time."""
        last = track.ended(now - self.start)
        first = track.ended(now - self.start - self.window)
        return range(max(0, min(first, last - AT_LEAST)), last)

    def playlist(self, track: LiveTrack, now: Fraction) -> str:
        """Empty before there is a segment."""
        shown = self.shown(track, now)
        if not shown:
            return ""
        lines = [
            *track.head,
            f"#EXT-X-MEDIA-SEQUENCE:{shown.start}",
            f"#EXT-X-DISCONTINUITY-SEQUENCE:{shown.start // len(track.segments)}",
        ]
        for number in shown:
            lines += self._segment(track, number, is_first=number == shown.start)
        return "\n".join(lines) + "\n"

    def changes(self, track: LiveTrack, now: Fraction) -> Fraction:
        """When the playlist will be another one, in seconds since 1970."""
        shown = self.shown(track, now)
        later = [self.start + track.end(shown.stop)]
        if len(shown) > AT_LEAST:
            later.append(self.start + track.end(shown.start) + self.window)
        return min(later)

    def _segment(self, track: LiveTrack, number: int, *, is_first: bool) -> Iterator[str]:
        turn, place = divmod(number, len(track.segments))
        if place == 0 and not is_first:
            yield "#EXT-X-DISCONTINUITY"
        if place == 0 or is_first:
            yield from track.setup
            yield f"#EXT-X-PROGRAM-DATE-TIME:{date_text(EPOCH, self.start + track.begin(number))}"
        yield from self._breaks(track, turn, place, is_first=is_first)
        one = track.segments[place]
        yield f"#EXTINF:{float(one.length):.3f},"
        yield from one.lines

    def _breaks(self, track: LiveTrack, turn: int, place: int, *, is_first: bool) -> Iterator[str]:
        """What begins or ends inside a segment; before the first one also what goes on there."""
        begin, end = track.begin(place), track.ends[place]
        began = EPOCH + timedelta(microseconds=round((self.start + turn * track.loop) * 1_000_000))
        for marker in self.markers:
            stop = marker.start if marker.end is None else marker.end
            if stop < begin or (marker.start >= end and place < len(track.segments) - 1):
                continue
            goes_on = is_first and marker.start < begin < stop
            for at, tag in date_ranges((marker,), began, f"{turn}-"):
                is_last = place == len(track.segments) - 1 and at >= end
                if begin <= at < end or is_last or (goes_on and at < begin):
                    yield tag


@dataclass(frozen=True, slots=True)
class LivePlaylist:
    """Of one track of a stream."""

    stream: LoopingStream
    track: LiveTrack

    def text(self, now: Fraction) -> str:
        """Empty before there is a segment."""
        return self.stream.playlist(self.track, now)

    def changes(self, now: Fraction) -> Fraction:
        """When it will be another one, in seconds since 1970."""
        return self.stream.changes(self.track, now)


def read_track(text: str, loop: Fraction) -> LiveTrack:
    """Of a media playlist of VOD. Raises ValueError for one without segments."""
    head: list[str] = []
    setup: list[str] = []
    segments: list[LiveSegment] = []
    own: list[str] = []
    length, place = Fraction(0), 0
    for line in text.splitlines():
        if found := LENGTH.match(line):
            length, own = Fraction(found[1]), []
        elif found := RANGE.match(line):
            place = int(found[2]) if found[2] else place
            own = [f"#EXT-X-BYTERANGE:{found[1]}@{place}"]
            place += int(found[1])
        elif line.startswith(SETUP):
            setup.append(line)
        elif line and not line.startswith("#"):
            segments.append(LiveSegment(length, (*own, line)))
        elif line.startswith(("#EXTM3U", "#EXT-X-VERSION", "#EXT-X-TARGETDURATION")):
            head.append(line)
    if not segments:
        raise ValueError("a playlist without segments")
    return LiveTrack(tuple(head), tuple(setup), tuple(segments), loop)
