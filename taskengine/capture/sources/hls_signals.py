"""Advertising in media playlists: EXT-X-DATERANGE with SCTE 35, EXT-X-CUE-OUT and its kin.

The tags of a break stand before the segment with which it begins; EXT-X-DATERANGE has a date.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from taskengine.capture.model import Signal, SignalKind, Time
from taskengine.capture.moments import read_timestamp
from taskengine.capture.signals import MAX_NAME, MAX_SIGNALS, signal_of
from taskengine.capture.sources.hls_tags import Tag
from taskengine.media.scte35 import Message, read_text

PAIR: Final = re.compile(
    r'(?:^|,)\s{0,20}([A-Za-z0-9_-]{1,100})\s{0,20}=\s{0,20}("[^"]*"\s{0,20}|[^",]*)(?=,|$)'
)
SECONDS: Final = re.compile(r"\d{1,9}(?:\.\d{0,12})?")
DATERANGE: Final = "EXT-X-DATERANGE"
TAGS: Final = frozenset({
    DATERANGE, "EXT-OATCLS-SCTE35", "EXT-X-CUE-OUT", "EXT-X-CUE-OUT-CONT", "EXT-X-CUE-IN",
    "EXT-X-SCTE35",
})  # fmt: skip

Placed = tuple[int, Tag]  # before which segment of the reading it stands
Problem = Callable[[str], None]


@dataclass(slots=True)
class _Cues:
    """The tags between two segments."""

    time: Time
    problem: Problem
    message: Message | None = None  # of EXT-OATCLS-SCTE35
    found: list[Signal] = field(default_factory=list)

    def take(self, tag: Tag) -> None:
        match tag.name:
            case "EXT-OATCLS-SCTE35":
                self.message = self._message(tag.value)
            case "EXT-X-CUE-OUT":
                self._add("out", _said(tag.value, "duration"))
            case "EXT-X-CUE-OUT-CONT":
                self._go_on(_said(tag.value, "duration", "elapsedtime"))
            case "EXT-X-CUE-IN":
                self._add("in", {})
            case _:
                self._scte35(_said(tag.value, "cue"))

    def _add(self, kind: SignalKind, said: Mapping[str, str]) -> None:
        length = _seconds(said.get("duration"))
        message = self._message(text) if (text := said.get("scte35")) else None
        section = message.section if message else b""
        if kind == "in":
            length = None
        elif length is None and message and message.is_out:
            length = message.duration
        event = message.event_id if message else None
        name = str(event) if event is not None else said.get("id", "")[:MAX_NAME]
        self.found.append(Signal(kind, self.time, length, name, section))

    def _go_on(self, said: Mapping[str, str]) -> None:
        elapsed = _seconds(said.get("elapsedtime"))
        self._add("on" if elapsed is None else "out", said)
        if elapsed is not None:
            last = self.found[-1]
            self.found[-1] = replace(last, time=self.time - elapsed, is_rough=True)

    def _scte35(self, said: Mapping[str, str]) -> None:
        """EXT-X-SCTE35 of ANSI/SCTE 35: CUE-OUT=YES, NO or CONT, CUE-IN=YES."""
        said = {"elapsedtime": said.get("elapsed", ""), **said, "scte35": said.get("cue", "")}
        way = said.get("cue-out", "").upper()
        if way == "CONT":
            self._go_on(said)
        elif way == "YES":
            self._add("out", said)
        elif said.get("cue-in", "").upper() == "YES":
            self._add("in", said)
        elif message := self._message(said["scte35"]):
            self._note(message)

    def _note(self, message: Message) -> None:
        if (one := signal_of(message, self.time)) is not None:
            self.found.append(one)

    def signals(self) -> list[Signal]:
        """A message belongs to the tag that it stands beside, else it speaks for itself."""
        message = self.message
        if message is None:
            return self.found
        for place, one in enumerate(self.found):
            fits = one.kind == ("in" if message.is_out is False else "out")
            if fits and not one.section and not one.is_rough:
                own = one.duration if one.duration is not None else message.duration
                event = one.id if message.event_id is None else str(message.event_id)
                length = own if one.kind == "out" else None
                self.found[place] = replace(one, duration=length, id=event, section=message.section)
                return self.found
        self._note(message)
        return self.found

    def _message(self, text: str) -> Message | None:
        try:
            return read_text(text)
        except ValueError as error:
            self.problem(f"an SCTE 35 message that cannot be read: {error}")
            return None


def read_signals(tags: Sequence[Placed], starts: Sequence[Time], problem: Problem) -> list[Signal]:
    """What the tags of a reading say. `starts` are those of its segments, since 1970 where there
    are dates; tags behind them all belong to a segment that is still to come."""
    groups: dict[int, _Cues] = {}
    dated: list[tuple[Time, Tag]] = []
    for place, tag in tags[:MAX_SIGNALS]:
        if place >= len(starts):
            continue
        if tag.name == DATERANGE:
            dated.append((starts[place], tag))
        else:
            groups.setdefault(place, _Cues(starts[place], problem)).take(tag)
    ranges = [one for group in groups.values() for one in group.signals()]
    if dated and max(starts) < 10**9:  # seconds: nothing says which dates its segments have
        problem("its date ranges cannot be placed: it has no EXT-X-PROGRAM-DATE-TIME")
        dated = []
    return [*ranges, *_dated(dated, problem)]


def _dated(tags: Sequence[tuple[Time, Tag]], problem: Problem) -> Iterator[Signal]:
    ranges = [_Range(place, _said(tag.value, ""), problem) for place, tag in tags]
    starts: dict[str | None, list[Time]] = defaultdict(list)  # by class, in their order
    for one in ranges:
        if one.start is not None:
            starts[one.said.get("class")].append(one.start)
    for times in starts.values():
        times.sort()
    for one in ranges:
        if one.start is not None:
            yield from one.signals(starts[one.said.get("class")])


@dataclass(slots=True)
class _Range:
    """One EXT-X-DATERANGE; `place` is the start of the segment after it."""

    place: Time
    said: Mapping[str, str]
    problem: Problem
    start: Time | None = field(init=False)

    def __post_init__(self) -> None:
        self.start = self._date("start-date")

    def signals(self, starts: Sequence[Time]) -> Iterator[Signal]:
        """`starts` are those of its class, in their order."""
        start, name, end = self.start, self.said.get("id", "")[:MAX_NAME], self._end(starts)
        assert start is not None
        out, back = self._message("scte35-out"), self._message("scte35-in")
        planned = _seconds(self.said.get("planned-duration"))
        if "scte35-out" in self.said or "scte35-in" in self.said:
            length = planned if end is None else end - start
            if length is None and out is not None:
                length = out.duration
            section = out.section if out else b""
            yield Signal("out", start, length, _event(out or back) or name, section)
        if "scte35-in" in self.said or (end is not None and "scte35-out" in self.said):
            section = back.section if back else b""
            at = self.place if end is None else end
            yield Signal("in", at, None, _event(back or out) or name, section)
        if (other := self._message("scte35-cmd")) is not None and not other.says_nothing:
            yield Signal("other", start, None, _event(other) or name, other.section)

    def _end(self, starts: Sequence[Time]) -> Time | None:
        length, start = _seconds(self.said.get("duration")), self.start
        if length is not None and start is not None:
            return start + length
        if (end := self._date("end-date")) is not None:
            return end
        if self.said.get("end-on-next", "").upper() == "YES" and start is not None:
            place = bisect_right(starts, start)
            return starts[place] if place < len(starts) else None
        return None

    def _date(self, name: str) -> Time | None:
        try:
            return read_timestamp(self.said[name]) if name in self.said else None
        except ValueError as error:
            self.problem(f"{name.upper()} of a date range: {error}")
            return None

    def _message(self, name: str) -> Message | None:
        try:
            return read_text(self.said[name]) if name in self.said else None
        except ValueError as error:
            self.problem(f"{name.upper()} of a date range: {error}")
            return None


def _event(message: Message | None) -> str:
    return "" if message is None or message.event_id is None else str(message.event_id)


def _said(text: str, *plain: str) -> dict[str, str]:
    """`NAME=value,…`, names in lower case. What is there without names are values of these names,
    the last of them first in `elapsed/duration`."""
    if "=" in text.rstrip("="):
        return {name.lower(): value.strip().strip('"') for name, value in PAIR.findall(text)}
    parts = [part.strip() for part in text.strip().strip('"').split("/")]
    if len(parts) == 2 and len(plain) == 2:
        return {plain[1]: parts[0], plain[0]: parts[1]}
    return {plain[-1]: parts[0]} if parts[0] and plain else {}


def _seconds(text: str | None) -> Fraction | None:
    found = SECONDS.fullmatch((text or "").strip())
    return Fraction(found[0]) if found else None
