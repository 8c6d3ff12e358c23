"""HLS of an asset whose segments are files of their own; what the packager has said of one segment
of each track is made to stand for all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from taskengine.capture.model import Time
from taskengine.capture.moments import told
from taskengine.media.rates import Rate


@dataclass(frozen=True, slots=True)
class ListedSegment:
    """A segment under its name beside the manifests. `time` and `ticks` are in units of `scale`."""

    name: str
    time: int
    ticks: int
    scale: int
    size: int

    @property
    def seconds(self) -> Fraction:
        return Fraction(self.ticks, self.scale)

    @property
    def bitrate(self) -> int:
        return math.ceil(8 * self.size / self.seconds)


@dataclass(frozen=True, slots=True)
class ListedSpan:
    """Segments of one track that follow each other, and the file that initializes them."""

    init: str
    segments: Sequence[ListedSegment]

    @property
    def seconds(self) -> Fraction:
        return sum((one.seconds for one in self.segments), Fraction(0))


def media_playlist(spans: Sequence[ListedSpan], said: str, began: Time) -> str:
    """The playlist of a track; `said` is the packager's for its first segment, whose keys hold for
    all. The first segment began at a time of the stream's clock."""
    longest = max(one.seconds for span in spans for one in span.segments)
    target = math.floor(longest + Fraction(1, 2))  # RFC 8216, 4.3.3.1: rounded
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{target}"]
    lines += ["#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-INDEPENDENT-SEGMENTS"]
    keys = [line for line in said.splitlines() if line.startswith("#EXT-X-KEY:")]
    date = f"#EXT-X-PROGRAM-DATE-TIME:{told(began, has_clock=True)}"
    for number, span in enumerate(spans):
        lines += ["#EXT-X-DISCONTINUITY"] if number else []
        lines += [f'#EXT-X-MAP:URI="{span.init}"', *([] if number else [*keys, date])]
        lines += _listed(span)
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def _listed(span: ListedSpan) -> Iterator[str]:
    for one in span.segments:
        yield f"#EXTINF:{float(one.seconds):.6f},"
        yield one.name


def rate_of(spans: Sequence[ListedSpan]) -> Rate:
    segments = [one for span in spans for one in span.segments]
    bits = 8 * sum(one.size for one in segments)
    seconds = sum((span.seconds for span in spans), Fraction(0))
    return Rate(max(one.bitrate for one in segments), math.ceil(bits / seconds))
