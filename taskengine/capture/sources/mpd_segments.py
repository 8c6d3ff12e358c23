"""The segments of one representation: by template, by list, by an index in the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import Final
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from taskengine.capture.model import (
    Encryption,
    Form,
    Resource,
    Segment,
    SourceRefused,
    SourceTrack,
    Time,
)
from taskengine.capture.sources.addresses import Addresses
from taskengine.capture.sources.mpd_xml import (
    attribute,
    child,
    filled,
    integer,
    ranged,
    timeline,
)
from taskengine.capture.sources.tile_layouts import even_layout

MAX_SEGMENTS: Final = 100_000  # of a representation
IMAGES: Final = frozenset({"jpeg", "jpg", "png"})  # codecs of images that are files


@dataclass(frozen=True, slots=True)
class PeriodTimes:
    """Seconds."""

    id: str
    zero: Time  # of the period, on the stream's timeline
    length: Time | None
    so_far: Time  # that have passed of it
    is_live: bool
    depth: Time | None  # how much of a live stream can be had


@dataclass(frozen=True, slots=True)
class Representation:
    """One of a period; `index` is a file's own list of its segments, which has to be fetched."""

    track: SourceTrack
    segments: tuple[Segment, ...] = ()
    index: Resource | None = None
    blueprint: Segment | None = None  # of the segments in the index


@dataclass(frozen=True, slots=True)
class SegmentMaker:
    """Makes the segments of one representation."""

    period: PeriodTimes
    track: SourceTrack
    base: str
    bandwidth: int
    encryption: Encryption | None
    addresses: Addresses
    grid: tuple[int, int] | None = None  # of images: their columns and rows

    def of_template(self, elements: Sequence[Element]) -> Iterator[Segment]:
        scale, offset = self._scale(elements)
        template = attribute("media", elements)
        if template is None:
            raise SourceRefused(f"the representation {self.track.id[:40]} has no media template")
        media = urljoin(self.base, template)
        head = attribute("initialization", elements)
        init = Resource(self._url(urljoin(self.base, head), 0, 0)) if head else None
        first = integer(attribute("startNumber", elements), 1)
        lines = child("SegmentTimeline", elements)
        times: Iterator[tuple[int, int, int]]
        if lines is not None:
            length = self.period.length
            until = offset + round((self.period.so_far if length is None else length) * scale)
            listed = timeline(lines, until)
            times = ((first + n, time, span) for n, (time, span) in enumerate(listed))
            if "$Number" not in template:  # nothing counts on beyond what is listed just now
                times = ((time, time, span) for time, span in listed)
        else:
            times = self._regular(elements, scale, offset, first)
        for number, time, span in _bounded(times):
            resource = Resource(self._url(media, number, time))
            yield self._segment(number, time - offset, span, scale, resource, init)

    def _regular(
        self, elements: Sequence[Element], scale: int, offset: int, first: int
    ) -> Iterator[tuple[int, int, int]]:
        """Number, time and length of segments of one length: what is available by now."""
        length = integer(attribute("duration", elements))
        if length <= 0:
            raise SourceRefused(f"the representation {self.track.id[:40]} has no duration")
        known = self.period.length
        end = self.period.so_far if self.period.is_live else known
        if end is None:
            raise SourceRefused("nothing says how long its period lasts")
        end = min(end, known) if known is not None else end
        number = int(end * scale // length) if self.period.is_live else _up(end * scale, length)
        last = integer(attribute("endNumber", elements), first + number - 1)
        oldest = self._oldest(Fraction(length, scale))
        for place in range(max(0, oldest), min(number, last - first + 1)):
            yield first + place, offset + place * length, length

    def _oldest(self, length: Time) -> int:
        if not self.period.is_live or self.period.depth is None:
            return 0
        return int((self.period.so_far - self.period.depth) // length)

    def of_list(self, elements: Sequence[Element]) -> Iterator[Segment]:
        scale, offset = self._scale(elements)
        init = self._init(elements)
        length = integer(attribute("duration", elements))
        lines = child("SegmentTimeline", elements)
        files = [found for one in elements for found in one.findall("SegmentURL")]
        if len(files) > MAX_SEGMENTS:
            raise SourceRefused(f"it has more than {MAX_SEGMENTS} segments")
        regular = ((offset + number * length, length) for number in range(len(files)))
        times = timeline(lines, 0) if lines is not None else regular
        for number, (file, (time, span)) in enumerate(zip(files, times, strict=False)):
            url = self._joined(file.get("media", ""))
            media = ranged(url, file.get("mediaRange"))
            yield self._segment(number, time - offset, span, scale, media, init)

    def of_base(self, elements: Sequence[Element]) -> Representation:
        """One file whose index says where its segments are."""
        scale, offset = self._scale(elements)
        index = ranged(self.base, attribute("indexRange", elements))
        if index.length is None:
            return Representation(self.track, tuple(self.whole_file()))
        until_index = Resource(self.base, 0, index.offset)
        init = self._init(elements) or until_index
        blueprint = self._segment(0, -offset, 1, scale, Resource(self.base), init)
        return Representation(self.track, (), index, blueprint)

    def whole_file(self) -> Iterator[Segment]:
        if self.period.length is not None:
            yield self._segment(0, 0, self.period.length, 1, Resource(self.base), None)

    def _init(self, elements: Sequence[Element]) -> Resource | None:
        head = child("Initialization", elements)
        if head is None:
            return None
        return ranged(self._joined(head.get("sourceURL", "")), head.get("range"))

    def _scale(self, elements: Sequence[Element]) -> tuple[int, int]:
        scale = integer(attribute("timescale", elements), 1)
        if scale <= 0:
            raise SourceRefused(f"a timescale of {scale}")
        return scale, integer(attribute("presentationTimeOffset", elements))

    def _url(self, template: str, number: int, time: int) -> str:
        """Of a template that is joined to its base already: joining takes long."""
        return self.addresses.checked(filled(template, self.track.id, self.bandwidth, number, time))

    def _joined(self, url: str) -> str:
        return self.addresses.checked(urljoin(self.base, url))

    def _segment(
        self,
        number: int,
        time: int,
        length: int | Time,
        scale: int,
        media: Resource,
        init: Resource | None,
    ) -> Segment:
        head = f"{init.url}@{init.offset}" if init else ""
        lasts = Fraction(length) / scale
        return Segment(
            number,
            self.period.zero + Fraction(time, scale),
            lasts,
            media,
            init,
            f"{self.period.id[:200]}|{head}",
            _form(self.track),
            self.encryption,
            stated=True,
            tiles=even_layout(self.grid, lasts) if self.grid else None,
        )


def with_index(
    blueprint: Segment, references: Sequence[tuple[int, int, Time, Time]]
) -> tuple[Segment, ...]:
    """The segments that a file's index lists: offset, size, start and duration of each."""
    return tuple(
        replace(
            blueprint,
            number=number,
            start=blueprint.start + start,
            duration=length,
            media=Resource(blueprint.media.url, offset, size),
        )
        for number, (offset, size, start, length) in enumerate(references)
    )


def _form(track: SourceTrack) -> Form:
    if track.type == "image":
        return "image" if track.codec in IMAGES else "mp4"
    if "ttml" in track.codec:
        return "ttml"
    return "vtt" if "vtt" in track.codec and "wvtt" not in track.codec else "mp4"


def _bounded(times: Iterator[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    yield from islice(times, MAX_SEGMENTS)
    if next(times, None) is not None:
        raise SourceRefused(f"it has more than {MAX_SEGMENTS} segments")


def _up(value: Time, length: int) -> int:
    return int(-(-value // length))
