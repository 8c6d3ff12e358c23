"""TTML documents (IMSC, EBU-TT-D, DFXP) as cues: their texts and times, without their layout."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from taskengine.capture.cues import Cue
from taskengine.capture.model import SourceRefused, Time
from taskengine.capture.sources.mpd_xml import Builder

PARAMETER: Final = "{http://www.w3.org/ns/ttml#parameter}"
CLOCK: Final = re.compile(r"(\d{1,4}):(\d{2}):(\d{2})(?:(\.\d{1,18})|:(\d{1,9}))?")
OFFSET: Final = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)(ms|h|m|s|f|t)")
FOREVER: Final = Fraction(10**9)  # seconds
DEEPEST: Final = 30


@dataclass(frozen=True, slots=True)
class Rates:
    """What a document counts in."""

    frames: Time
    ticks: Time

    def seconds(self, text: str | None) -> Time | None:
        if text is None:
            return None
        if (found := CLOCK.fullmatch(text.strip())) is not None:
            hours, minutes, seconds, fraction, frames = found.groups()
            whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
            return whole + Fraction(fraction or 0) + Fraction(int(frames or 0)) / self.frames
        if (found := OFFSET.fullmatch(text.strip())) is not None:
            units = {"h": Fraction(3600), "m": Fraction(60), "s": Fraction(1)}
            units |= {"ms": Fraction(1, 1000), "f": 1 / self.frames, "t": 1 / self.ticks}
            return Fraction(found[1]) * units[found[2]]
        return None


def read_ttml(data: bytes) -> list[Cue]:
    """Raises SourceRefused for what is no TTML."""
    parser = DefusedXMLParser(target=Builder(), forbid_dtd=True)
    try:
        parser.feed(data.strip(b"\0"))
        root: Element = parser.close()
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise SourceRefused(f"a TTML document that cannot be read: {error}") from None
    rates = _rates(root)
    body = next((one for one in root if _name(one) == "body"), None)
    return list(_cues(body, rates, Fraction(0), FOREVER, 0)) if body is not None else []


def _rates(root: Element) -> Rates:
    frames = _number(root.get(f"{PARAMETER}frameRate")) or Fraction(30)
    above, _, below = root.get(f"{PARAMETER}frameRateMultiplier", "").partition(" ")
    if _number(above) and _number(below):
        frames *= Fraction(int(above), int(below))
    ticks = _number(root.get(f"{PARAMETER}tickRate"))
    return Rates(frames, ticks or (frames if root.get(f"{PARAMETER}frameRate") else Fraction(1)))


def _cues(element: Element, rates: Rates, start: Time, end: Time, depth: int) -> Iterator[Cue]:
    """Times of an element count from those of the one around it."""
    begin = start + (rates.seconds(element.get("begin")) or 0)
    limit, length = rates.seconds(element.get("end")), rates.seconds(element.get("dur"))
    last = min(
        end,
        FOREVER if limit is None else start + limit,
        FOREVER if length is None else begin + length,
    )
    if begin >= last or depth > DEEPEST:
        return
    inner = [one for one in element if one.get("begin") or one.get("end") or one.get("dur")]
    if _name(element) == "p" and not inner:
        if last < FOREVER and (text := _text(element).strip()):
            yield Cue(begin, last, text)
        return
    if _name(element) == "span" and last < FOREVER and (text := _text(element).strip()):
        yield Cue(begin, last, text)
        return
    for one in element:
        if _name(one) in ("div", "p", "span"):
            yield from _cues(one, rates, begin, last, depth + 1)


def _text(element: Element) -> str:
    """As WebVTT has it: `&` and `<` escaped, lines without empty ones between them."""
    parts = [element.text or ""]
    for one in element:
        parts += ["\n" if _name(one) == "br" else _text(one), one.tail or ""]
    return _lines("".join(parts)) if _name(element) == "p" else "".join(parts)


def _lines(text: str) -> str:
    lines = (re.sub(r"[ \t]+", " ", line).strip() for line in text.split("\n"))
    shown = "\n".join(line for line in lines if line)
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace("-->", "--&gt;")


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _number(text: str | None) -> Fraction:
    return Fraction(text) if text and re.fullmatch(r"\d{1,18}", text) else Fraction(0)
