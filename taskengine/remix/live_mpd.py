"""The MPD of a live stream that loops: each loop is a period with the media of the whole asset.

A pure function of the time, as its playlists are. Periods are listed before they begin, since it is
known what comes: players have a while to fetch the next MPD.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final
from xml.sax.saxutils import quoteattr

from taskengine.remix.live import EPOCH

AHEAD: Final = Fraction(30)  # seconds before it begins that a loop is listed
MOST_AHEAD: Final = 50  # loops that are listed before they begin: a period has kilobytes
MOST: Final = 250  # of those that one can go back to
DELAY: Final = 12  # seconds behind the edge that players stay: three segments
ROOT: Final = re.compile(r"<MPD\b[^>]*>")
PERIOD: Final = re.compile(r"<Period\b[^>]*>(.*)</Period>", re.DOTALL)
STATIC: Final = re.compile(r'\s(?:type|mediaPresentationDuration|profiles)="[^"]*"')
AVAILABLE: Final = 'availabilityTimeOffset="INF"'  # at any time: dash.js else waits for ever
PROFILE: Final = "urn:mpeg:dash:profile:full:2011"


@dataclass(frozen=True, slots=True)
class LoopingMpd:
    """`said` is the asset's MPD, of one period. Seconds; `start` is since 1970."""

    said: str
    start: Fraction
    loop: Fraction
    asked: Fraction  # how far back players want to go

    @property
    def ahead(self) -> Fraction:
        return min(AHEAD, MOST_AHEAD * self.loop)

    @property
    def window(self) -> Fraction:
        """How far back they can: no further than what may be listed."""
        return min(self.asked, longest_window(self.loop))

    def shown(self, now: Fraction) -> range:
        """The numbers of the loops that are listed at a time; none before the start."""
        elapsed = now - self.start
        if elapsed < 0:
            return range(0)
        return range(
            max(0, self._last(elapsed - self.window)), self._last(elapsed + self.ahead) + 1
        )

    def text(self, now: Fraction) -> str:
        """Empty before the start."""
        shown = self.shown(now)
        period = PERIOD.search(self.said)
        if not shown or period is None:
            return ""
        media = period[1].replace("<SegmentBase ", f"<SegmentBase {AVAILABLE} ")
        periods = [
            f'<Period id="{turn}" start="{_lasting(turn * self.loop)}"'
            f' duration="{_lasting(self.loop)}">{media}</Period>'
            for turn in shown
        ]
        body = "\n  ".join(periods)
        head = ROOT.sub(lambda found: self._root(found[0], now), self.said[: period.start()])
        return f"{head}{body}{self.said[period.end() :]}"

    def changes(self, now: Fraction) -> Fraction:
        """When it will be another one, in seconds since 1970."""
        shown = self.shown(now)
        if not shown:
            return self.start
        listed = self.start + shown.stop * self.loop - self.ahead
        gone = self.start + (shown.start + 1) * self.loop + self.window
        return min(listed, gone)

    def _last(self, elapsed: Fraction) -> int:
        """The number of the loop of a time."""
        return int(elapsed // self.loop)

    def _root(self, static: str, now: Fraction) -> str:
        said = {
            "type": "dynamic",
            "profiles": PROFILE,
            "availabilityStartTime": _date(self.start),
            "publishTime": _date(self._published(now)),
            "minimumUpdatePeriod": _lasting(self.ahead / 3),
            "timeShiftBufferDepth": _lasting(self.window),
            "suggestedPresentationDelay": f"PT{DELAY}S",
        }
        more = "".join(f" {name}={quoteattr(value)}" for name, value in said.items())
        return STATIC.sub("", static).rstrip(">").rstrip() + f"{more}>"

    def _published(self, now: Fraction) -> Fraction:
        """When it became what it is."""
        shown = self.shown(now)
        listed = self.start + (shown.stop - 1) * self.loop - self.ahead
        gone = self.start + shown.start * self.loop + self.window
        return max(self.start, listed, gone if shown.start else self.start)


def longest_window(loop: Fraction) -> Fraction:
    """How far back players can go, in seconds."""
    return MOST * loop


def _date(at: Fraction) -> str:
    moment: datetime = EPOCH + timedelta(microseconds=round(at * 1_000_000))
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _lasting(seconds: Fraction) -> str:
    return f"PT{float(seconds):.6f}".rstrip("0").rstrip(".") + "S"
