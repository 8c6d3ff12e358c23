"""Times of clips: a UTC timestamp, or an offset from the first media (A70)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from taskengine.capture.model import Time
from taskengine.times import parse_offset, parse_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as a client states it."""

    time: Time
    is_offset: bool  # from the first media that the stream offers, not since 1970

    def on(self, first: Time) -> Time:
        """Itself on the timeline of a stream whose first media is there."""
        return first + self.time if self.is_offset else self.time

    def moved(self, by: Time) -> Moment:
        """Itself some seconds later, not before the beginning."""
        return Moment(max(Fraction(0), self.time + by), self.is_offset)


BEGINNING = Moment(Fraction(0), is_offset=True)  # of a stream


def read_moment(text: str) -> Moment:
    """`hh:mm:ss(.f)` or an ISO timestamp, UTC if it has no zone. Raises ValueError."""
    if (offset := parse_offset(text)) is not None:
        return Moment(offset, is_offset=True)
    return Moment(since_epoch(parse_time(text)), is_offset=False)


def read_position(value: float | str) -> Moment:
    """The same; seconds and `mm:ss(.f)` too (A50). Raises ValueError."""
    text = str(value).strip()
    if (found := SECONDS.fullmatch(text)) is None:
        return read_moment(text)
    minutes, seconds = found.groups(default="0")
    return Moment(60 * int(minutes) + Fraction(seconds), is_offset=True)


SECONDS = re.compile(r"(?:([0-9]{1,6}):)?([0-9]{1,12}(?:\.[0-9]{1,12})?)")  # [mm:]ss
TIMESTAMP = re.compile(
    r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(\.\d{1,12})?\s*(Z|[+-]\d{2}:?\d{2})?", re.IGNORECASE
)


def read_timestamp(text: str) -> Time:
    """An ISO timestamp of a manifest, with all its digits; UTC if it has no zone.

    Raises ValueError.
    """
    found = TIMESTAMP.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"expected a time such as 2031-01-05T10:00:00.000Z, got {text[:40]!r}")
    seconds, fraction, zone = found.groups()
    zone = "+00:00" if zone in (None, "Z", "z") else zone
    return since_epoch(datetime.fromisoformat(seconds + zone)) + Fraction("0" + (fraction or ""))


def since_epoch(when: datetime) -> Time:
    return Fraction((when - EPOCH) // timedelta(microseconds=1), 1_000_000)


def as_utc(time: Time) -> datetime:
    return EPOCH + timedelta(microseconds=round(time * 1_000_000))


def told(time: Time, *, has_clock: bool) -> str | float:
    """As callbacks and log lines have it: UTC where there is a clock, else seconds (A72). A clock
    that is beyond the calendar has seconds, too."""
    try:
        if has_clock:
            return as_utc(to_millisecond(time)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    except OverflowError:
        pass
    return round(float(time), 3)


def to_millisecond(time: Time) -> Time:
    """Rounded, a half upwards: what decides whether a frame belongs to a range (A68)."""
    return (time / MILLISECOND + Fraction(1, 2)).__floor__() * MILLISECOND
