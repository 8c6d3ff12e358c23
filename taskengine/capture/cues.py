"""Captions as WebVTT: cues read from segments, cut to what is shown, and written as one file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from taskengine.capture.model import Time
from taskengine.capture.pieces import Span
from taskengine.media.times import webvtt_time

CLOCK: Final = r"(?:(\d{1,9}):)?([0-5]?\d):([0-5]?\d)[.,](\d{1,9})"
TIMING: Final = re.compile(rf"\s*{CLOCK}\s*-->\s*{CLOCK}(?:\s+(.*))?")
LOCAL: Final = re.compile(rf"LOCAL:{CLOCK}")
MPEGTS: Final = re.compile(r"MPEGTS:(\d{1,20})")
TOUCHING: Final = Fraction(1, 100)  # seconds between the halves of a cue that was parted
MAX_CUES: Final = 100_000  # of a segment
ESCAPED: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


@dataclass(frozen=True, slots=True)
class Cue:
    """A text, and when it is shown, in seconds."""

    start: Time
    end: Time
    text: str
    settings: str = ""

    def moved(self, by: Time) -> Cue:
        return replace(self, start=self.start + by, end=self.end + by)


@dataclass(frozen=True, slots=True)
class WebVtt:
    """A segment of WebVTT. `media` is the time, of the media's 90 kHz clock in seconds, at which
    its own times have `local`; None if it does not say."""

    cues: tuple[Cue, ...]
    styles: tuple[str, ...] = ()  # blocks STYLE and REGION
    local: Time = Fraction(0)
    media: Time | None = None


def escaped(text: str) -> str:
    """Plain text as a cue has it."""
    return text.translate(ESCAPED)


def read_webvtt(text: str) -> WebVtt:
    """What cannot be read in it is passed over, as players do."""
    blocks = re.split(r"\n{2,}", text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))
    cues: list[Cue] = []
    styles: list[str] = []
    for block in blocks[1:]:
        if block.lstrip().startswith(("STYLE", "REGION")):
            styles.append(block.strip("\n"))
        elif (cue := _cue(block)) is not None and len(cues) < MAX_CUES:
            cues.append(cue)
    head = blocks[0]
    local, media = LOCAL.search(head), MPEGTS.search(head)
    at = _seconds(*local.groups()) if local else Fraction(0)
    stated = Fraction(int(media[1]), 90_000) if media and "X-TIMESTAMP-MAP" in head else None
    return WebVtt(tuple(cues), tuple(styles), at, stated)


def _cue(block: str) -> Cue | None:
    lines = block.strip("\n").split("\n")
    for place, line in enumerate(lines[:2]):  # a cue may have a name before its times
        if (found := TIMING.fullmatch(line)) is not None:
            said = found.groups()
            start, end = _seconds(*said[:4]), _seconds(*said[4:8])
            text = "\n".join(lines[place + 1 :])
            return Cue(start, end, text, (said[8] or "").strip()) if start < end and text else None
    return None


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> Time:
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return whole + Fraction(int(fraction), 10 ** len(fraction))


def joined(cues: Iterable[Cue]) -> list[Cue]:
    """Cues in their order; those that segments have parted, or repeat, once."""
    open_cues: dict[tuple[str, str], Cue] = {}
    found: list[Cue] = []
    for cue in sorted(cues, key=lambda one: (one.start, one.end)):
        key = (cue.text, cue.settings)
        before = open_cues.get(key)
        if before is not None and cue.start <= before.end + TOUCHING:
            open_cues[key] = replace(before, end=max(before.end, cue.end))
            continue
        if before is not None:
            found.append(before)
        open_cues[key] = cue
    return sorted([*found, *open_cues.values()], key=lambda one: (one.start, one.end))


def cut(cues: Sequence[Cue], spans: Sequence[Span]) -> list[Cue]:
    """What of the cues is shown in the spans, at its times in the result, which begins at 0."""
    return joined(_shown(joined(cues), spans))


def _shown(cues: Sequence[Cue], spans: Sequence[Span]) -> Iterator[Cue]:
    at = Fraction(0)
    for span in spans:
        for cue in cues:
            start, end = max(cue.start, span.start), min(cue.end, span.end)
            if start < end:
                yield replace(cue, start=start, end=end).moved(at - span.start)
        at += span.length


def write_webvtt(cues: Sequence[Cue], styles: Iterable[str] = ()) -> str:
    blocks = ["WEBVTT", *dict.fromkeys(styles)]
    for cue in cues:
        settings = f" {cue.settings}" if cue.settings else ""
        blocks.append(f"{webvtt_time(cue.start)} --> {webvtt_time(cue.end)}{settings}\n{cue.text}")
    return "\n\n".join(blocks) + "\n"
