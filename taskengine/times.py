"""Times as the contract writes and reads them: UTC, three fraction digits."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction

# datetime.min and .max are what the database's driver takes for -infinity and infinity.
FIRST = datetime.min.replace(tzinfo=UTC) + timedelta(microseconds=1)
_PATTERN = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2})?(?:[.,](\d+))?\s*(Z|[+-]\d{2}:?\d{2})?)?",
    re.IGNORECASE,
)


_OFFSET = re.compile(r"(\d{1,4}):([0-5]\d):([0-5]\d(?:\.\d+)?)")


def parse_offset(text: str) -> Fraction | None:
    """Seconds of `hh:mm:ss(.f)`; None for what is no offset."""
    found = _OFFSET.fullmatch(text.strip())
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)


def parse_ticks(value: str | int, timescale: int) -> Fraction | None:
    """Seconds of a whole number of ticks, or of `hh:mm:ss(.f)`, rounded to ticks; None for what is
    neither."""
    text = str(value).strip()
    if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
        return Fraction(int(text), timescale)
    offset = parse_offset(text)
    return None if offset is None else Fraction(round(offset * timescale), timescale)


def format_time(time: datetime) -> str:
    """`2019-11-29T10:47:50.431Z`."""
    utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def parse_time(text: str) -> datetime:
    """ISO 8601 with or without zone (none: UTC) and fraction, or a date alone (A14). Of a fraction
    three digits are kept, as they are written.

    Raises ValueError for anything else.
    """
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"expected a time such as 2020-09-09T14:30:00.000, got {text[:40]!r}")
    day, minute, second, fraction, zone = match.groups()
    zone = "+00:00" if zone in (None, "Z", "z") else zone
    milli = ((fraction or "") + "000")[:3]
    moment = f"{day}T{minute or '00:00'}{second or ':00'}.{milli}{zone}"
    try:
        return max(datetime.fromisoformat(moment).astimezone(UTC), FIRST)
    except OverflowError:
        raise ValueError(f"the time {text[:40]!r} is out of range") from None
