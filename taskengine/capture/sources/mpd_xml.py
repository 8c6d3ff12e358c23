"""The grammar of MPDs (ISO/IEC 23009-1): elements, durations, URLs of templates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from urllib.parse import urljoin
from xml.etree.ElementTree import Element, TreeBuilder

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from taskengine.capture.model import Resource, SourceRefused

MAX_ELEMENTS, MAX_DEPTH, MAX_ATTRIBUTES = 500_000, 32, 100
DURATION = re.compile(
    r"P(?:(\d{1,5})D)?(?:T(?:(\d{1,7})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,12})?)S)?)?"
)
IDENTIFIER = re.compile(r"\$(RepresentationID|Bandwidth|Number|Time|)(?:%0(\d{1,2})d)?\$")


class Builder(TreeBuilder):
    """Builds no more than a manifest needs: an element takes fifty times its text."""

    def __init__(self) -> None:
        super().__init__()
        self._number = self._depth = 0

    def start(self, tag: str, attributes: dict[str, str]) -> Element:
        self._number += 1
        self._depth += 1
        if self._number > MAX_ELEMENTS:
            raise SourceRefused(f"it has more than {MAX_ELEMENTS} elements")
        if self._depth > MAX_DEPTH:
            raise SourceRefused(f"its elements lie in each other {MAX_DEPTH} deep")
        if len(attributes) > MAX_ATTRIBUTES:
            raise SourceRefused(f"an element of it has more than {MAX_ATTRIBUTES} attributes")
        return super().start(tag, attributes)

    def end(self, tag: str) -> Element:
        self._depth -= 1
        return super().end(tag)


def read_xml(text: str) -> Element:
    """The root, its namespaces left out. Raises SourceRefused, also for a DTD: its
    entities may be bombs."""
    parser = ElementTree.DefusedXMLParser(target=Builder(), forbid_dtd=True)
    try:
        parser.feed(text)
        root: Element = parser.close()
    except (ElementTree.ParseError, DefusedXmlException, ValueError) as error:
        raise SourceRefused(f"it is no XML document: {error}") from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name in [one for one in element.attrib if "}" in one]:
            element.attrib[name.rpartition("}")[2]] = element.attrib.pop(name)
    return root


def duration(text: str | None) -> Fraction | None:
    """`PT1H2M3.5S` in seconds; None for what is none."""
    found = DURATION.fullmatch((text or "").strip())
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes, seconds = (Fraction(one or 0) for one in found.groups())
    return days * 86_400 + hours * 3600 + minutes * 60 + seconds


def integer(text: str | None, default: int = 0) -> int:
    return int(text) if text is not None and re.fullmatch(r"-?\d{1,18}", text.strip()) else default


def rate(text: str | None) -> float:
    """`25` or `30000/1001`."""
    above, _, below = (text or "").partition("/")
    return integer(above) / (integer(below, 1) or 1)


def based(url: str, *elements: Element) -> str:
    """The base URL below these elements, the first BaseURL of each."""
    for element in elements:
        base = element.findtext("BaseURL")
        url = urljoin(url, base.strip()) if base else url
    return url


def inherited(name: str, chain: Sequence[Element]) -> list[Element]:
    """The elements of a name, the innermost first."""
    return [found for one in reversed(chain) if (found := one.find(name)) is not None]


def child(name: str, elements: Sequence[Element]) -> Element | None:
    """Of the innermost element that has one."""
    return next((found for one in elements if (found := one.find(name)) is not None), None)


def attribute(name: str, elements: Sequence[Element]) -> str | None:
    """Of the innermost element that has it."""
    return next((one.attrib[name] for one in elements if name in one.attrib), None)


def filled(template: str, representation: str, bandwidth: int, number: int, time: int) -> str:
    """A template with its identifiers replaced (5.3.9.4.4)."""
    values = {"Bandwidth": bandwidth, "Number": number, "Time": time}

    def one(found: re.Match[str]) -> str:
        name, width = found.groups()
        if not name:
            return "$"
        if name == "RepresentationID":
            return representation
        return f"{values[name]:0{int(width or 1)}d}"

    return IDENTIFIER.sub(one, template)


def ranged(url: str, text: str | None) -> Resource:
    """`first-last`, both in."""
    first, _, last = (text or "").partition("-")
    start, end = integer(first, -1), integer(last, -1)
    return Resource(url) if not 0 <= start <= end else Resource(url, start, end - start + 1)


def timeline(element: Element, until: int) -> Iterator[tuple[int, int]]:
    """Start and duration of each segment of a SegmentTimeline, in its timescale; `until` ends a
    repetition that is open."""
    time = 0
    entries = element.findall("S")
    for place, entry in enumerate(entries):
        time = integer(entry.get("t"), time)
        length, repeat = integer(entry.get("d")), integer(entry.get("r"))
        if length <= 0:
            raise SourceRefused("a segment of its timeline has no duration")
        following = entries[place + 1].get("t") if place + 1 < len(entries) else None
        end = integer(following, until) if following is not None else until
        number = -(-(end - time) // length) if repeat < 0 else repeat + 1
        for _ in range(max(0, number)):
            yield time, length
            time += length
