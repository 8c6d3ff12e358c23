"""Media playlists: the segments of one track, on a timeline that outlives each reading.

A live playlist shows a window of its stream. Where a reading states no time (the tag has rolled
off, or there never was one), segments that were known before say where the others are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from taskengine.capture.encryption.playready import header_key_id
from taskengine.capture.model import (
    Encryption,
    Form,
    Resource,
    Segment,
    SourceRefused,
    Time,
    Window,
)
from taskengine.capture.sources.hls_signals import TAGS as SIGNALS
from taskengine.capture.sources.hls_signals import read_signals
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
SHORTEST_REFRESH, LONGEST_REFRESH = 0.5, 10.0  # seconds
FORMS: Mapping[str, Form] = {
    **dict.fromkeys(("ts", "m2ts", "mpegts"), "ts"),
    **dict.fromkeys(("aac", "mp3", "ac3", "ec3"), "aac"),
    **dict.fromkeys(("vtt", "webvtt"), "vtt"),
    **dict.fromkeys(("ttml", "xml", "dfxp"), "ttml"),
}
MP4_FORMS = frozenset({"mp4", "m4s", "m4a", "m4v", "cmfv", "cmfa", "cmft", "m4f", "mp4a"})


@dataclass(frozen=True, slots=True)
class _Item:
    """A segment as one reading has it; times count from the reading's first segment."""

    number: int
    discontinuities: int
    duration: Fraction
    media: Resource
    init: Resource | None
    encryption: Encryption | None
    stated: Time | None
    is_gap: bool


@dataclass(slots=True)
class _Reading:
    """What has been said so far, of the segment to come."""

    lines: Lines
    items: list[_Item] = field(default_factory=list)
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
            _Item(
                number,
                self.discontinuities,
                self.duration,
                media,
                self.init,
                self._encryption(number),
                self.stated,
                self.is_gap,
            )
        )
        self.duration, self.range, self.stated, self.is_gap = None, "", None, False
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


def _sets(name: str, read: Callable[[str], object]) -> Callable[[_Reading, str], None]:
    return lambda reading, value: setattr(reading, name, read(value))


HANDLERS: Mapping[str, Callable[[_Reading, str], None]] = {
    "": _Reading.end_segment,
    "EXTINF": _sets("duration", seconds),
    "EXT-X-BYTERANGE": _sets("range", str),
    "EXT-X-MAP": _Reading.take_map,
    "EXT-X-KEY": _Reading.take_key,
    "EXT-X-PROGRAM-DATE-TIME": _sets("stated", stated_time),
    "EXT-X-DISCONTINUITY": _Reading.take_discontinuities,
    "EXT-X-DISCONTINUITY-SEQUENCE": _Reading.take_discontinuities,
    "EXT-X-GAP": _sets("is_gap", lambda _: True),
    "EXT-X-MEDIA-SEQUENCE": _sets("first", whole),
    "EXT-X-TARGETDURATION": _Reading.take_target,
    "EXT-X-ENDLIST": _sets("is_over", lambda _: True),
    "EXT-X-STREAM-INF": _Reading.refuse_master,
    "EXT-X-I-FRAMES-ONLY": _Reading.refuse_keyframes,
}


@dataclass(slots=True)
class MediaPlaylist:
    """The memory of one media playlist, reading after reading."""

    form: Form | None = None  # of its segments, where their names do not say
    _starts: dict[int, Time] = field(default_factory=dict)  # of the last reading, by number
    _runs: dict[int, int] = field(default_factory=dict)
    _has_clock: bool = False

    def read(self, text: str, url: str, variables: Mapping[str, str] | None = None) -> Window:
        """What it offers now. Raises SourceRefused."""
        lines = Lines(text, url, variables or {})
        reading = _Reading(lines)
        for tag in lines:
            reading.take(tag)
        items = reading.items
        starts = self._located(items)
        runs = self._numbered(items)
        segments = tuple(
            self._segment(item, start, runs[item.number])
            for item, start in zip(items, starts, strict=True)
            if not item.is_gap and item.duration
        )
        self._starts = {item.number: at for item, at in zip(items, starts, strict=True)}
        self._runs = runs
        refresh = min(max(float(reading.target) / 2, SHORTEST_REFRESH), LONGEST_REFRESH)
        problems: dict[str, None] = {}
        signals = read_signals(reading.signals, starts, problems.setdefault)
        return Window(
            segments, self._has_clock, reading.is_over, refresh, tuple(signals), tuple(problems)
        )

    def _located(self, items: list[_Item]) -> list[Time]:
        """The start of each: stated, or the sum from the stated or known one before; those before
        the first such time are counted back from it."""
        if any(item.stated is not None for item in items) and not self._has_clock:
            self._has_clock, self._starts = True, {}
        starts: list[Time | None] = []
        at: Time | None = None
        for item in items:
            known = self._starts.get(item.number)
            at = next((one for one in (item.stated, known, at) if one is not None), None)
            starts.append(at)
            at = None if at is None else at + item.duration
        first = next((place for place, start in enumerate(starts) if start is not None), None)
        if first is None:
            return _summed(items, self._end_of_the_last(items))
        for place in range(first - 1, -1, -1):
            starts[place] = starts[place + 1] - items[place].duration  # type: ignore[operator]
        return [start for start in starts if start is not None]

    def _end_of_the_last(self, items: list[_Item]) -> Time:
        """Where a reading goes on that shares no segment with the one before: as if nothing was
        missed, for nobody says how much was."""
        last = max(self._starts, default=None)
        if last is None or not items:
            return Fraction(0)
        missed = max(0, items[0].number - last)
        return self._starts[last] + missed * items[0].duration

    def _numbered(self, items: list[_Item]) -> dict[int, int]:
        """Which run each belongs to. Without EXT-X-DISCONTINUITY-SEQUENCE the count begins anew
        with each window: segments known before say by how much."""
        shift = next(
            (
                self._runs[item.number] - item.discontinuities
                for item in items
                if item.number in self._runs
            ),
            0,
        )
        return {item.number: item.discontinuities + shift for item in items}

    def _segment(self, item: _Item, start: Time, run: int) -> Segment:
        init = f"{item.init.url}@{item.init.offset}" if item.init else ""
        return Segment(
            item.number,
            start,
            item.duration,
            item.media,
            item.init,
            f"{run}|{init}",
            self._form(item),
            item.encryption,
            stated=item.stated is not None,
        )

    def _form(self, item: _Item) -> Form:
        suffix = item.media.url.partition("?")[0].rpartition(".")[2].lower()
        if item.init is not None or suffix in MP4_FORMS:
            return "mp4"
        return FORMS.get(suffix) or self.form or "ts"


def _summed(items: list[_Item], start: Time) -> list[Time]:
    starts = []
    for item in items:
        starts.append(start)
        start += item.duration
    return starts


def _iv(text: str) -> bytes | None:
    digits = text.lower().removeprefix("0x")
    try:
        return bytes.fromhex(digits.zfill(32)) if digits else None
    except ValueError:
        raise SourceRefused(f"an IV of {text[:40]!r}: expected hexadecimal digits") from None
