"""SCTE 35 in DASH and CMAF: event streams of an MPD, and messages inside segments (`emsg`)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element

from taskengine.capture.model import UNREADABLE, Signal, SourceRefused, Time
from taskengine.capture.signals import MAX_SIGNALS, signal_of
from taskengine.capture.sources.mpd_xml import integer, read_xml
from taskengine.media.boxes import file_boxes
from taskengine.media.scte35 import LONGEST, Message, read_message, read_text
from taskengine.media.scte35_xml import message_of

SCHEME: Final = "urn:scte:scte35:"
UNKNOWN: Final = 0xFFFFFFFF  # a duration
MAX_BOXES: Final = 10_000  # of messages in a segment, read or not
MAX_MESSAGE: Final = 1 << 16  # bytes

Problem = Callable[[str], object]


def event_streams(period: Element, zero: Time, problem: Problem) -> Iterator[Signal]:
    """Of a period that begins at `zero` on the timeline."""
    for stream in period.findall("EventStream"):
        if not stream.get("schemeIdUri", "").startswith(SCHEME):
            continue
        scale = integer(stream.get("timescale"), 1) or 1
        offset = integer(stream.get("presentationTimeOffset"))
        for event in islice(stream.findall("Event"), MAX_SIGNALS):
            try:
                said = _message(event)
            except ValueError as error:
                problem(f"an event of SCTE 35 that cannot be read: {error}")
                continue
            time = zero + Fraction(integer(event.get("presentationTime")) - offset, abs(scale))
            length = integer(event.get("duration"))
            duration = Fraction(length, abs(scale)) if length > 0 else None
            if said is not None:
                one = signal_of(said, time, name=event.get("id", ""), duration=duration)
                yield from [one] if one is not None else []


def _message(event: Element) -> Message | None:
    if len(event):
        return message_of(event)
    text = event.get("messageData") or event.text or ""
    return read_text("".join(text.split()))


@dataclass(frozen=True, slots=True)
class Emsg:
    """A message inside a segment. Seconds; `is_delta`: `time` counts from the segment's start,
    else it is a media time."""

    time: Time
    is_delta: bool
    duration: Time | None
    id: str
    message: Message | None


def messages(path: Path, problem: Problem) -> list[Emsg]:
    """Those of SCTE 35, of the boxes `emsg` of a segment's file. Blocking."""
    found: list[Emsg] = []
    number = 0
    with path.open("rb") as file, suppress(ValueError):  # those before a box that is cut count
        for kind, place, start, end in file_boxes(file, path.stat().st_size):
            if kind != b"emsg" or end - place > MAX_MESSAGE:
                continue
            number += 1
            file.seek(start)
            if (one := _emsg(file.read(end - start), problem)) is not None:
                found.append(one)
            if len(found) == MAX_SIGNALS or number == MAX_BOXES:
                break
    return found


def _emsg(data: bytes, problem: Problem) -> Emsg | None:
    try:
        if data[0] == 0:
            scheme, _, rest = data[4:].split(b"\0", 2)
            scale, time, length, number = struct.unpack_from(">IIII", rest)
            content = rest[16:]
        else:
            scale, time, length, number = struct.unpack_from(">IQII", data, 4)
            scheme, _, content = data[24:].split(b"\0", 2)
        name = scheme.decode("ascii", "replace")
        if not name.startswith(SCHEME) or not scale:
            return None
        said = _content(name, content)
    except (*UNREADABLE, SourceRefused) as error:
        problem(f"a message in a segment that cannot be read: {error}")
        return None
    duration = Fraction(length, scale) if length not in (0, UNKNOWN) else None
    return Emsg(Fraction(time, scale), data[0] == 0, duration, str(number), said)


def _content(scheme: str, content: bytes) -> Message | None:
    if scheme.endswith(":bin"):
        return read_message(content[:LONGEST])
    return message_of(read_xml(content.decode("utf-8", "replace")))
