"""Smooth Streaming: the client manifest, whose chunks become fragments of MP4 (MS-SSTR 2.2.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Final
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from taskengine.capture.encryption.playready import header_key_id
from taskengine.capture.model import (
    Encryption,
    Resource,
    Segment,
    SourceRefused,
    SourceTrack,
    TrackType,
    Window,
)
from taskengine.capture.sources.addresses import Addresses
from taskengine.capture.sources.mpd_xml import integer, read_xml
from taskengine.capture.sources.smooth_init import Quality, initialization

MAX_SEGMENTS: Final = 100_000  # of a stream
MAX_IN_ALL: Final = 400_000  # of all its quality levels together
SCALE: Final = 10_000_000  # ticks a second, unless the manifest says otherwise
YEAR_2000: Final = 946_684_800
TYPES: Final[Mapping[str, TrackType]] = {"video": "video", "audio": "audio", "text": "text"}
BITRATE: Final = re.compile(r"\{bitrate\}", re.IGNORECASE)
START: Final = re.compile(r"\{start[ _]time\}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Smooth:
    tracks: tuple[SourceTrack, ...]
    windows: Mapping[str, Window]  # by track


def read_smooth(text: str, url: str) -> Smooth:
    """Raises SourceRefused."""
    root = read_xml(text)
    if root.tag != "SmoothStreamingMedia":
        raise SourceRefused(f"it is no Smooth Streaming manifest, but {root.tag[:40]}")
    is_live = root.get("IsLive", "").lower() == "true"
    scale = integer(root.get("TimeScale"), SCALE)
    header = root.find("Protection/ProtectionHeader")
    encryption = None if header is None else Encryption("CENC", key_id=_key_id(header))
    tracks, windows, number, addresses = [], {}, 0, Addresses()
    for stream in root.findall("StreamIndex"):
        if stream.get("Type", "").lower() not in TYPES:
            continue
        times = list(_times(stream))
        for level in stream.findall("QualityLevel"):
            track = _track(stream, level)
            tracks.append(track)
            init = _init(stream, level, integer(stream.get("TimeScale"), scale))
            maker = partial(_segment, stream, level, url, scale, init, encryption, addresses)
            number += len(times)
            if number > MAX_IN_ALL:
                raise SourceRefused(f"it lists more than {MAX_IN_ALL} chunks in all")
            segments = tuple(maker(time, length) for time, length in times)
            has_clock = bool(segments) and segments[-1].start > YEAR_2000
            refresh = float(segments[-1].duration) / 2 if segments else 2.0
            windows[track.id] = Window(
                segments, has_clock, not is_live, min(10.0, max(0.5, refresh))
            )
    return Smooth(tuple(tracks), windows)


def _key_id(header: Element) -> str:
    return header_key_id("".join((header.text or "").split()))


def _times(stream: Element) -> Iterator[tuple[int, int]]:
    """Start and duration of each chunk; a duration that is missing reaches to the next start."""
    time, number = 0, 0
    chunks = stream.findall("c")
    for place, chunk in enumerate(chunks):
        time = integer(chunk.get("t"), time)
        following = chunks[place + 1].get("t") if place + 1 < len(chunks) else None
        length = integer(chunk.get("d"), integer(following, time) - time)
        if length <= 0:
            if place + 1 == len(chunks):
                return  # a live one whose end is not known yet
            raise SourceRefused("a chunk of it has no duration")
        for _ in range(max(1, integer(chunk.get("r"), 1))):
            number += 1
            if number > MAX_SEGMENTS:
                raise SourceRefused(f"it has more than {MAX_SEGMENTS} chunks")
            yield time, length
            time += length


def _track(stream: Element, level: Element) -> SourceTrack:
    kind = TYPES[stream.get("Type", "").lower()]
    name = stream.get("Name", kind)
    bitrate = integer(level.get("Bitrate"))
    return SourceTrack(
        f"{name}|{bitrate}|{level.get('Index', '0')}",
        kind,
        bitrate,
        level.get("FourCC", stream.get("FourCC", "")),
        stream.get("Language", ""),
        role="caption" if stream.get("Subtype", "").upper() in ("CAPT", "DESC") else "",
        name=name if kind != "video" else "",
        width=integer(level.get("MaxWidth"), integer(level.get("Width"))),
        height=integer(level.get("MaxHeight"), integer(level.get("Height"))),
        channels=integer(level.get("Channels")),
    )


def _segment(
    stream: Element,
    level: Element,
    url: str,
    scale: int,
    init: bytes | None,
    encryption: Encryption | None,
    addresses: Addresses,
    time: int,
    length: int,
) -> Segment:
    """Its time is its number: a chunk has no other that outlives a reading."""
    scale = integer(stream.get("TimeScale"), scale)
    address = BITRATE.sub(level.get("Bitrate", "0"), stream.get("Url", ""))
    address = START.sub(str(time), address)
    return Segment(
        time,
        Fraction(time, scale),
        Fraction(length, scale),
        Resource(addresses.checked(urljoin(url, address))),
        init,
        f"{stream.get('Name', '')[:200]}|{level.get('Bitrate')}",
        form="smooth" if init else "ttml",
        encryption=encryption,
        stated=True,
    )


def _init(stream: Element, level: Element, scale: int) -> bytes | None:
    """None for text, whose chunks hold documents."""
    kind = stream.get("Type", "").lower()
    if kind == "text":
        return None
    return initialization(
        Quality(
            kind,
            level.get("FourCC", ""),
            _private(level.get("CodecPrivateData", "")),
            scale,
            integer(level.get("MaxWidth")),
            integer(level.get("MaxHeight")),
            integer(level.get("SamplingRate")),
            integer(level.get("Channels")),
        )
    )


def _private(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise SourceRefused("its CodecPrivateData is not hexadecimal") from None
