"""The MPD of an asset whose segments are files of their own: a period for each span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from defusedxml.ElementTree import fromstring

from taskengine.archive.playlists import ListedSpan
from taskengine.media.markers import Marker
from taskengine.media.marking import mark_mpd
from taskengine.media.mpd import DASH, written
from taskengine.media.rates import Rate
from taskengine.media.streams import DIGITS

LIVE: Final = "urn:mpeg:dash:profile:isoff-live:2011"
RENAMED: Final = {  # what the packager says of parts of one file
    "subsegmentAlignment": "segmentAlignment",
    "subsegmentStartsWithSAP": "startWithSAP",
}


@dataclass(frozen=True, slots=True)
class ListedPeriod:
    """A span of the asset: the packager's MPD of a segment of each of its tracks, and by the file
    that this names what there is of the track. `zero` is the media time that it begins with, in
    seconds, `number` that of its first segment."""

    said: str
    tracks: Mapping[str, ListedSpan]
    numbers: Mapping[str, int]
    zero: Fraction
    length: Fraction


def write_mpd(
    periods: Sequence[ListedPeriod], rates: Mapping[str, Rate], markers: Sequence[Marker]
) -> str:
    """Markers have the times of the whole."""
    root = fromstring(periods[0].said.encode())
    root.remove(_period_of(root))
    root.set("profiles", LIVE)
    root.set("mediaPresentationDuration", _duration(sum((p.length for p in periods), Fraction(0))))
    starts = [Fraction(0), *accumulate(one.length for one in periods)]
    for number, one in enumerate(periods):
        root.append(_period(number, starts[number], one, rates))
    ElementTree.indent(root)
    head, *rest = written(root).split("<Period ")
    marked = [
        _marked(f"<Period {text}", markers, start, start + one.length)
        for text, start, one in zip(rest, starts, periods, strict=False)
    ]
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{"".join(marked)}\n'


def _period_of(root: Element) -> Element:
    found = root.find(f"{{{DASH}}}Period")
    assert found is not None
    return found


def _period(number: int, start: Fraction, one: ListedPeriod, rates: Mapping[str, Rate]) -> Element:
    made = deepcopy(_period_of(fromstring(one.said.encode())))
    made.attrib = {"id": str(number), "start": _duration(start), "duration": _duration(one.length)}
    for adaptation in made.iter(f"{{{DASH}}}AdaptationSet"):
        for old, new in RENAMED.items():
            if old in adaptation.attrib:
                adaptation.set(new, adaptation.attrib.pop(old))
        for representation in adaptation.findall(f"{{{DASH}}}Representation"):
            file = representation.findtext(f"{{{DASH}}}BaseURL", "")
            _list(representation, one, file)
            representation.set("bandwidth", str(rates[file].peak))
    return made


def _list(representation: Element, one: ListedPeriod, file: str) -> None:
    for name in ("BaseURL", "SegmentBase"):
        for element in representation.findall(f"{{{DASH}}}{name}"):
            representation.remove(element)
    span = one.tracks[file]
    scale = span.segments[0].scale
    template = SubElement(
        representation,
        f"{{{DASH}}}SegmentTemplate",
        timescale=str(scale),
        presentationTimeOffset=str(max(0, round(one.zero * scale))),
        initialization=span.init,
        media=f"{file.rpartition('.')[0]}_$Number%0{DIGITS}d$.m4s",
        startNumber=str(one.numbers[file]),
    )
    timeline = SubElement(template, f"{{{DASH}}}SegmentTimeline")
    last: Element | None = None
    for segment in span.segments:
        if last is not None and last.get("d") == str(segment.ticks):
            last.set("r", str(int(last.get("r", "0")) + 1))
            continue
        last = SubElement(timeline, f"{{{DASH}}}S", d=str(segment.ticks))
        if len(timeline) == 1:
            last.set("t", str(max(0, segment.time)))


def _marked(period: str, markers: Sequence[Marker], start: Fraction, end: Fraction) -> str:
    own = [one for one in markers if start <= one.start < end]
    return (
        mark_mpd(period, [replace(one, start=one.start - start) for one in own]) if own else period
    )


def _duration(seconds: Fraction) -> str:
    return f"PT{float(seconds):.6f}".rstrip("0").rstrip(".") + "S"
