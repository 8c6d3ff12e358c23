"""Messages of SCTE 35 in XML (`urn:scte:scte35:2013:xml` and `2014:xml+bin`), as sections."""

from __future__ import annotations

from fractions import Fraction
from typing import Final
from xml.etree.ElementTree import Element

from taskengine.media.scte35 import (
    CLOCK,
    INSERT,
    TIME_SIGNAL,
    Message,
    read_message,
    read_text,
    section_of,
    splice_insert,
    splice_time,
)

MAX_UPID: Final = 230  # bytes: what a descriptor has room for


def message_of(element: Element) -> Message | None:
    """Of an element that holds one, its namespaces left out; None where it says nothing.

    Raises ValueError.
    """
    binary = next((one for one in element.iter() if _name(one) == "Binary"), None)
    if binary is not None:
        return read_text("".join((binary.text or "").split()))
    info = next((one for one in element.iter() if _name(one) == "SpliceInfoSection"), None)
    if info is None:
        raise ValueError("it holds neither Binary nor SpliceInfoSection")
    adjustment = _integer(info, "ptsAdjustment")
    for one in info:
        if _name(one) == "SpliceInsert":
            return _insert(one, adjustment)
        if _name(one) == "TimeSignal":
            return _signal(info, one, adjustment)
    return None


def _insert(element: Element, adjustment: int) -> Message:
    said = splice_insert(
        _integer(element, "spliceEventId"),
        _pts(element, adjustment),
        _duration(element),
        is_out=_truth(element, "outOfNetworkIndicator"),
    )
    if _truth(element, "spliceEventCancelIndicator"):
        event_id = _integer(element, "spliceEventId") % (1 << 32)
        said = section_of(INSERT, event_id.to_bytes(4, "big") + b"\xff")
    return read_message(said)


def _signal(info: Element, element: Element, adjustment: int) -> Message:
    found = b"".join(_descriptor(one) for one in info if _name(one) == "SegmentationDescriptor")
    return read_message(section_of(TIME_SIGNAL, splice_time(_pts(element, adjustment)), found))


def _descriptor(one: Element) -> bytes:
    content = b"CUEI" + (_integer(one, "segmentationEventId") % (1 << 32)).to_bytes(4, "big")
    if _truth(one, "segmentationEventCancelIndicator"):
        return bytes([2, len(content) + 1]) + content + b"\xff"
    has_duration = "segmentationDuration" in one.attrib
    content += bytes([0x7F, 0x80 | has_duration << 6 | 0x3F])  # of the programme, not restricted
    if has_duration:
        content += (_integer(one, "segmentationDuration") % (1 << 40)).to_bytes(5, "big")
    upid = next((child for child in one if _name(child) == "SegmentationUpid"), None)
    kind, text = (0, b"") if upid is None else _upid(upid)
    content += bytes([kind, len(text)]) + text
    numbers = ("segmentationTypeId", "segmentNum", "segmentsExpected")
    content += bytes(_integer(one, name) & 0xFF for name in numbers)
    return bytes([2, len(content)]) + content


def _upid(element: Element) -> tuple[int, bytes]:
    """Its characters, or what its hexadecimal digits stand for."""
    text = (element.text or "").strip()
    is_text = element.get("segmentationUpidFormat", "") in ("text", "uri")
    try:
        found = text.encode() if is_text else bytes.fromhex(text)
    except ValueError:
        found = text.encode()
    return _integer(element, "segmentationUpidType") & 0xFF, found[:MAX_UPID]


def _pts(element: Element, adjustment: int) -> Fraction | None:
    for one in element.iter():
        if _name(one) == "SpliceTime" and "ptsTime" in one.attrib:
            return Fraction(_integer(one, "ptsTime") + adjustment, CLOCK)
    return None


def _duration(element: Element) -> Fraction | None:
    for one in element.iter():
        if _name(one) == "BreakDuration":
            return Fraction(_integer(one, "duration"), CLOCK)
    return None


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _integer(element: Element, name: str) -> int:
    text = element.get(name, "0").strip()
    if not text.isdecimal() or len(text) > 18:
        raise ValueError(f"{name}: expected a whole number, got {text[:40]!r}")
    return int(text)


def _truth(element: Element, name: str) -> bool:
    return element.get(name, "").strip().lower() in ("true", "1")
