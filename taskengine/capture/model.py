"""The nouns of a capture: what sources offer and what was fetched of it."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, Literal

from taskengine.model import PermanentFailure

# Seconds on a stream's timeline: since 1970 where it has a clock, else since its first media.
Time = Fraction
TrackType = Literal["video", "audio", "text", "image"]
NEEDED: Final = frozenset({"video", "audio"})  # tracks without which a source is of no use
Form = Literal["mp4", "ts", "aac", "vtt", "ttml", "smooth", "image"]  # of a segment's bytes
FRAGMENTS: Final = ("mp4", "smooth")  # those of fragmented MP4
# Of a break: it begins; ends; goes on, nobody says since when. Or something else is said.
SignalKind = Literal["out", "in", "on", "other"]
# What reading what makes no sense may end with, whoever wrote it.
UNREADABLE: Final = (ValueError, ArithmeticError, LookupError, RuntimeError, struct.error)
Protection = Literal["AES-128", "SAMPLE-AES", "CENC"]  # the last: by what the file itself says


class SourceRefused(Exception):
    """A manifest that cannot be read, or asks for more than is given; the message says which."""


class SourceAway(Exception):
    """A source that did not answer, or not as it should: it may another time."""


class Locked(SourceAway):
    """What no key that is known opens. Another source may have it in the clear."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A file at a URL, or a range of its bytes."""

    url: str
    offset: int = 0
    length: int | None = None  # to the end of the file


@dataclass(frozen=True, slots=True)
class Encryption:
    """How a segment is encrypted, as its manifest says."""

    protection: Protection
    key: Resource | None = None  # where the key can be had, if it is not a key system's
    iv: bytes | None = None
    key_id: str = ""  # 32 hexadecimal digits
    name: str = ""  # tells keys apart that have no id


@dataclass(frozen=True, slots=True)
class TileLayout:
    """What an image of thumbnails shows: tiles in rows, from left to right and from top to bottom,
    each for an interval of seconds."""

    columns: int
    rows: int
    interval: Time

    @property
    def number(self) -> int:
        return self.columns * self.rows


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a track as one source offers it."""

    number: int  # in its playlist or timeline; a later one has a higher number
    start: Time
    duration: Time
    media: Resource
    init: Resource | bytes | None = None  # bytes: made from the manifest (Smooth Streaming)
    run: str = ""  # the same for segments that can be put together as they are
    form: Form = "mp4"
    encryption: Encryption | None = None
    stated: bool = False  # its start is one that the manifest states, not a sum
    tiles: TileLayout | None = None  # of an image

    @property
    def end(self) -> Time:
        return self.start + self.duration


@dataclass(frozen=True, slots=True)
class SourceTrack:
    """A track that a source offers. `id` finds it again in the source's next manifest."""

    id: str
    type: TrackType
    bitrate: int = 0  # bits a second, as the manifest declares it
    codec: str = ""  # RFC 6381, or a FourCC
    language: str = ""
    role: str = ""
    kind: str = ""
    name: str = ""
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    channels: int = 0
    is_default: bool = False
    inside: str = ""  # the id of the track whose segments hold it; empty: it has its own
    captions: tuple[str, ...] = ()  # services of CEA-608/708 inside the pictures: `CC1=eng`


def videos_of(tracks: Sequence[SourceTrack]) -> list[SourceTrack]:
    """Raises PermanentFailure if there are none."""
    found = [track for track in tracks if track.type == "video"]
    if not found:
        raise PermanentFailure("source: the stream has no video")
    return found


@dataclass(frozen=True, slots=True)
class Signal:
    """What a source says of advertising, in one tag, event or message. `id` is what it calls the
    break; `section` is the message of SCTE 35, if there is one."""

    kind: SignalKind
    time: Time
    duration: Time | None = None
    id: str = ""
    section: bytes = b""
    is_rough: bool = False  # its time is only about right


@dataclass(frozen=True, slots=True)
class Window:
    """What a source offers of one track at a moment."""

    segments: tuple[Segment, ...]
    has_clock: bool
    is_over: bool = False  # no more will come
    refresh: float = 2.0  # seconds until there may be more
    signals: tuple[Signal, ...] = ()
    problems: tuple[str, ...] = ()  # signals that could not be read

    def parts(self, size: int) -> Iterator[Sequence[Segment]]:
        """Its segments, so many at a time; one empty part if there are none."""
        for place in range(0, max(1, len(self.segments)), size):
            yield self.segments[place : place + size]

    @property
    def start(self) -> Time | None:
        return self.segments[0].start if self.segments else None

    @property
    def end(self) -> Time | None:
        return self.segments[-1].end if self.segments else None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A segment that lies in the recording."""

    track: str  # a name of ours, the same for all sources of the clip
    source: int  # place in the clip's list
    segment: Segment
    file: str
    init_file: str = ""
    size: int = 0  # bytes

    @property
    def start(self) -> Time:
        return self.segment.start

    @property
    def end(self) -> Time:
        return self.segment.end


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch that no source had: from the first missing time to the first present one."""

    start: Time
    end: Time
    tracks: tuple[str, ...] = field(default=())  # those that lack it; empty: all
