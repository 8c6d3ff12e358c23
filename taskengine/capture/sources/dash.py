"""DASH: periods, representations and their segments on one timeline."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final
from xml.etree.ElementTree import Element

from taskengine.capture.model import (
    Encryption,
    Signal,
    SourceRefused,
    SourceTrack,
    Time,
    TrackType,
    Window,
)
from taskengine.capture.moments import read_timestamp
from taskengine.capture.signals import MAX_SIGNALS
from taskengine.capture.sources.addresses import Addresses
from taskengine.capture.sources.events import event_streams
from taskengine.capture.sources.matching import nearest
from taskengine.capture.sources.mpd_segments import PeriodTimes, Representation, SegmentMaker
from taskengine.capture.sources.mpd_xml import (
    attribute,
    based,
    child,
    duration,
    inherited,
    integer,
    rate,
    read_xml,
)
from taskengine.capture.sources.tile_layouts import read_grid

MAX_SEGMENTS: Final = 400_000  # of all representations together
YEAR_2000: Final = 946_684_800  # seconds; a clock shows more, a sum from zero less
TYPES: Final[dict[str, TrackType]] = {
    "video": "video",
    "audio": "audio",
    "text": "text",
    "application": "text",
    "image": "image",
}
SHORTEST_REFRESH, LONGEST_REFRESH = 0.5, 10.0  # seconds
KINDS: Final = {"1": "main-desc", "description": "main-desc", "commentary": "commentary"}


@dataclass(frozen=True, slots=True)
class Mpd:
    periods: tuple[tuple[Representation, ...], ...]
    has_clock: bool
    is_over: bool
    refresh: float
    signals: tuple[Signal, ...] = ()
    problems: tuple[str, ...] = ()  # signals that could not be read

    @property
    def tracks(self) -> tuple[SourceTrack, ...]:
        """Those of the period with the most: what comes between has fewer, or others."""
        richest = max(self.periods, key=len, default=())
        return tuple(one.track for one in richest)

    def of(self, track: SourceTrack) -> Iterator[Representation]:
        """What stands for a track in each period, in their order."""
        for period in self.periods:
            chosen = nearest(track, [one.track for one in period])
            yield from (one for one in period if one.track is chosen)

    def window(self, track: SourceTrack) -> Window:
        """Without what only an index tells."""
        segments = [segment for one in self.of(track) for segment in one.segments]
        return Window(
            tuple(segments),
            self.has_clock,
            self.is_over,
            self.refresh,
            self.signals,
            self.problems,
        )


@dataclass(slots=True)
class _MpdReader:
    root: Element
    url: str
    now: Time  # since 1970: what is available of a live stream whose list is a rule
    zero: Time = Fraction(0)  # availabilityStartTime
    live: bool = False
    found: list[tuple[Representation, ...]] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    problems: dict[str, None] = field(default_factory=dict)
    number: int = 0  # of segments
    addresses: Addresses = field(default_factory=Addresses)

    def read(self) -> Mpd:
        root = self.root
        if root.tag != "MPD":
            raise SourceRefused(f"it is no MPD, but an element {root.tag[:40]}")
        self.live = root.get("type") == "dynamic"
        self.zero = self._zero()
        self._periods()
        starts = [one.segments[0].start for part in self.found for one in part if one.segments]
        blueprints = [one.blueprint.start for part in self.found for one in part if one.blueprint]
        has_clock = any(start > YEAR_2000 for start in (*starts, *blueprints, self.zero))
        update = duration(root.get("minimumUpdatePeriod"))
        refresh = float(update) if update else self._longest_segment() / 2
        return Mpd(
            tuple(self.found),
            has_clock,
            not self.live,
            min(max(refresh, SHORTEST_REFRESH), LONGEST_REFRESH),
            tuple(self.signals[:MAX_SIGNALS]),
            tuple(self.problems),
        )

    def _zero(self) -> Time:
        try:
            return read_timestamp(self.root.get("availabilityStartTime", ""))
        except ValueError:
            return Fraction(0)

    def _longest_segment(self) -> float:
        lengths = [one.segments[-1].duration for part in self.found for one in part if one.segments]
        return float(max(lengths, default=Fraction(4)))

    def _periods(self) -> None:
        start = Fraction(0)
        whole = duration(self.root.get("mediaPresentationDuration"))
        elements = self.root.findall("Period")
        for place, element in enumerate(elements):
            start = _or(duration(element.get("start")), start)
            length = duration(element.get("duration"))
            if length is None and place + 1 < len(elements):
                following = duration(elements[place + 1].get("start"))
                length = following - start if following is not None else None
            if length is None and whole is not None and place + 1 == len(elements):
                length = whole - start
            zero = self.zero + start
            times = PeriodTimes(
                element.get("id") or str(place),
                zero,
                length,
                max(Fraction(0), self.now - zero),
                self.live,
                duration(self.root.get("timeShiftBufferDepth")),
            )
            self.found.append(tuple(self._representations(element, times)))
            self.signals += event_streams(element, zero, self.problems.setdefault)
            start += _or(length, Fraction(0))

    def _representations(self, period: Element, times: PeriodTimes) -> Iterator[Representation]:
        for group in period.findall("AdaptationSet"):
            if _is_trick_mode(group):
                continue
            for one in group.findall("Representation"):
                if (track := _track(group, one)) is not None:
                    key, addresses = _key(group, one), self.addresses
                    base = addresses.checked(based(self.url, self.root, period, group, one))
                    grid = _tile_grid((one, group)) if track.type == "image" else None
                    maker = SegmentMaker(times, track, base, track.bitrate, key, addresses, grid)
                    made = _made(maker, (period, group, one))
                    self.number += len(made.segments)
                    if self.number > MAX_SEGMENTS:
                        raise SourceRefused(f"it lists more than {MAX_SEGMENTS} segments in all")
                    yield made


def _made(maker: SegmentMaker, chain: Sequence[Element]) -> Representation:
    if templates := inherited("SegmentTemplate", chain):
        return Representation(maker.track, tuple(maker.of_template(templates)))
    if lists := inherited("SegmentList", chain):
        return Representation(maker.track, tuple(maker.of_list(lists)))
    if bases := inherited("SegmentBase", chain):
        return maker.of_base(bases)
    return Representation(maker.track, tuple(maker.whole_file()))


def read_mpd(text: str, url: str, now: Time) -> Mpd:
    """Raises SourceRefused. `now` counts since 1970."""
    return _MpdReader(read_xml(text), url, now).read()


def _track(group: Element, element: Element) -> SourceTrack | None:
    both = (element, group)
    mime = attribute("mimeType", both) or ""
    said = attribute("contentType", both) or mime.partition("/")[0]
    codec = attribute("codecs", both) or ("" if "mp4" in mime else mime.removeprefix("image/"))
    kind = TYPES.get("text" if codec.startswith(("wvtt", "stpp")) else said)
    if kind is None:
        return None
    roles = [one.get("value", "") for one in group.findall("Role")]
    accessible = [one.get("value", "") for one in group.findall("Accessibility")]
    channels = child("AudioChannelConfiguration", both)
    columns, rows = _tile_grid(both) if kind == "image" else (1, 1)
    return SourceTrack(
        element.get("id", ""),
        kind,
        integer(element.get("bandwidth")),
        codec,
        attribute("lang", both) or "",
        role=next((one for one in roles if one != "main"), "") if kind == "text" else "",
        kind=next((KINDS[one] for one in (*accessible, *roles) if one in KINDS), ""),
        name=group.findtext("Label") or "",
        width=integer(attribute("width", both)) // columns,
        height=integer(attribute("height", both)) // rows,
        frame_rate=rate(attribute("frameRate", both)),
        channels=integer(channels.get("value")) if channels is not None else 0,
        is_default="main" in roles,
        captions=_captions(group) if kind == "video" else (),
    )


def _captions(group: Element) -> tuple[str, ...]:
    """`CC1=eng`, `SERVICE1=eng`, of `CC1=eng;CC3=swe`, `eng;swe` (CEA-608), `1=lang:eng` (708)."""
    found: list[str] = []
    for one in group.findall("Accessibility"):
        scheme, value = one.get("schemeIdUri", ""), one.get("value", "")
        parts = [part.strip() for part in value.split(";") if part.strip()]
        if "cea-608" in scheme:
            for channel, part in zip(("CC1", "CC3", "CC2", "CC4"), parts, strict=False):
                found.append(part if "=" in part else f"{channel}={part}")
        elif "cea-708" in scheme:
            for number, _, said in (part.partition("=") for part in parts[:63]):
                language = re.search(r"lang:([A-Za-z-]+)", said)
                found.append(f"SERVICE{number}={language[1] if language else said}")
    return tuple(found)


def _key(group: Element, element: Element) -> Encryption | None:
    for one in (*element.findall("ContentProtection"), *group.findall("ContentProtection")):
        if "mp4protection" in one.get("schemeIdUri", ""):
            return Encryption("CENC", key_id=one.get("default_KID", "").replace("-", "").lower())
    return None


def _is_trick_mode(group: Element) -> bool:
    return any(
        "trickmode" in one.get("schemeIdUri", "") for one in group.findall("EssentialProperty")
    )


def _tile_grid(elements: Sequence[Element]) -> tuple[int, int]:
    """Columns and rows of the images of a representation; `elements`: itself and its set."""
    said = (
        one.get("value", "")
        for element in elements
        for tag in ("EssentialProperty", "SupplementalProperty")
        for one in element.findall(tag)
        if one.get("schemeIdUri", "").endswith("/thumbnail_tile")
    )
    return read_grid(next(said, ""))


def _or(value: Time | None, default: Time) -> Time:
    return default if value is None else value
