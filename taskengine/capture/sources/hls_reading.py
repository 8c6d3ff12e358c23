"""One reading of a media playlist: what its tags say of each segment, in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from taskengine.capture.encryption.playready import header_key_id
from taskengine.capture.model import Encryption, Resource, SourceRefused, Time
from taskengine.capture.sources.hls_signals import TAGS as SIGNALS
from taskengine.capture.sources.hls_tags import (
    MAX_LINE,
    Lines,
    Tag,
    byte_range,
    seconds,
    stated_time,
    whole,
)

MAX_SEGMENTS = 100_000  # of one playlist


@dataclass(frozen=True, slots=True)
class PlaylistItem:
    """A segment as one reading has it; times count from the reading's first segment."""

    number: int
    discontinuities: int
    duration: Fraction
    media: Resource
    init: Resource | None
    encryption: Encryption | None
    stated: Time | None
    is_gap: bool
    tiles: str  # the attributes of EXT-X-TILES


@dataclass(slots=True)
class PlaylistReading:
    """What has been said so far, of the segment to come."""

    lines: Lines
    items: list[PlaylistItem] = field(default_factory=list)
    first: int = 0  # EXT-X-MEDIA-SEQUENCE
    discontinuities: int = 0
    target: Fraction = Fraction(4)
    is_over: bool = False
    init: Resource | None = None
    keys: dict[str, Encryption | None] = field(default_factory=dict)  # by format
    duration: Fraction | None = None
    range: str = ""
    stated: Time | None = None
    is_gap: bool = False
    tiles: str = ""
    signals: list[tuple[int, Tag]] = field(default_factory=list)  # with the place of a segment
    _following: tuple[str, int] = ("", 0)  # where a byte range without an offset begins
    _said_key: bool = False

    def take(self, tag: Tag) -> None:
        if tag.name in SIGNALS:
            self.signals.append((len(self.items), tag))
        elif (handler := HANDLERS.get(tag.name)) is not None:
            handler(self, tag.value)

    def take_target(self, value: str) -> None:
        self.target = max(seconds(value), Fraction(1, 2))

    def take_discontinuities(self, value: str) -> None:
        """One for EXT-X-DISCONTINUITY; the number before the first segment for -SEQUENCE."""
        self.discontinuities += whole(value, default=1)

    def refuse_master(self, _: str) -> None:
        raise SourceRefused("it is a multivariant playlist inside another one")

    def refuse_keyframes(self, _: str) -> None:
        raise SourceRefused("it holds keyframes only")

    def end_segment(self, uri: str) -> None:
        if self.duration is None:
            return
        if len(self.items) >= MAX_SEGMENTS:
            raise SourceRefused(f"it has more than {MAX_SEGMENTS} segments")
        url = self.lines.resolved(uri)
        media = Resource(url)
        if self.range:
            media = byte_range(url, self.range, self._next_in(url))
            self._following = (url, media.offset + (media.length or 0))
        number = self.first + len(self.items)
        self.items.append(
            PlaylistItem(
                number,
                self.discontinuities,
                self.duration,
                media,
                self.init,
                self._encryption(number),
                self.stated,
                self.is_gap,
                self.tiles,
            )
        )
        self.duration, self.range, self.stated, self.is_gap = None, "", None, False
        self.tiles = ""
        self._said_key = False

    def _next_in(self, url: str) -> int:
        before, offset = self._following
        return offset if before == url else 0

    def take_map(self, value: str) -> None:
        attributes = Tag("", value).attributes
        url = self.lines.resolved(attributes.get("URI", ""))
        said = attributes.get("BYTERANGE")
        self.init = byte_range(url, said, 0) if said else Resource(url)

    def take_key(self, value: str) -> None:
        """One line for each key format; the first one after a segment replaces all before."""
        attributes = Tag("", value).attributes
        if not self._said_key:
            self.keys.clear()
        self._said_key = True
        method = attributes.get("METHOD", "NONE")
        if method == "NONE":
            self.keys.clear()
            return
        known = {"AES-128": "AES-128", "SAMPLE-AES": "SAMPLE-AES", "SAMPLE-AES-CTR": "CENC"}
        if method not in known:
            raise SourceRefused(f"its segments are encrypted with METHOD={method[:40]}")
        form = attributes.get("KEYFORMAT", "identity")
        url = self.lines.resolved(attributes.get("URI", ""), MAX_LINE)  # it may be data itself
        is_key = form == "identity" and url.startswith(("http://", "https://"))
        self.keys[form] = Encryption(
            known[method],  # type: ignore[arg-type]
            Resource(url) if is_key else None,
            _iv(attributes.get("IV", "")),
            attributes.get("KEYID", "").lower().removeprefix("0x") or header_key_id(url),
            url,
        )

    def _encryption(self, number: int) -> Encryption | None:
        """The identity format's, which anybody can use; else the first one's. The key's id may be
        told by another."""
        found = self.keys.get("identity") or next(iter(self.keys.values()), None)
        if found is None:
            return None
        told = (one.key_id for one in self.keys.values() if one and one.key_id)
        key_id = found.key_id or next(told, "")
        iv = found.iv if found.iv is not None else number.to_bytes(16, "big")
        return replace(found, key_id=key_id, iv=iv)


def _sets(name: str, read: Callable[[str], object]) -> Callable[[PlaylistReading, str], None]:
    return lambda reading, value: setattr(reading, name, read(value))


HANDLERS: Mapping[str, Callable[[PlaylistReading, str], None]] = {
    "": PlaylistReading.end_segment,
    "EXTINF": _sets("duration", seconds),
    "EXT-X-BYTERANGE": _sets("range", str),
    "EXT-X-MAP": PlaylistReading.take_map,
    "EXT-X-KEY": PlaylistReading.take_key,
    "EXT-X-PROGRAM-DATE-TIME": _sets("stated", stated_time),
    "EXT-X-DISCONTINUITY": PlaylistReading.take_discontinuities,
    "EXT-X-DISCONTINUITY-SEQUENCE": PlaylistReading.take_discontinuities,
    "EXT-X-TILES": _sets("tiles", str),
    "EXT-X-GAP": _sets("is_gap", lambda _: True),
    "EXT-X-MEDIA-SEQUENCE": _sets("first", whole),
    "EXT-X-TARGETDURATION": PlaylistReading.take_target,
    "EXT-X-ENDLIST": _sets("is_over", lambda _: True),
    "EXT-X-STREAM-INF": PlaylistReading.refuse_master,
    "EXT-X-I-FRAMES-ONLY": PlaylistReading.refuse_keyframes,
}


def _iv(text: str) -> bytes | None:
    digits = text.lower().removeprefix("0x")
    try:
        return bytes.fromhex(digits.zfill(32)) if digits else None
    except ValueError:
        raise SourceRefused(f"an IV of {text[:40]!r}: expected hexadecimal digits") from None
