"""How long a receiver asks to be left alone."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER = 86_400.0  # seconds that a receiver may ask for


def wished_pause(retry_after: str | None, now: datetime) -> timedelta:
    """What a Retry-After header asks for: seconds or a date; nonsense asks for nothing."""
    seconds = 0.0
    with suppress(ValueError, TypeError, OverflowError):  # of a date at the end of all dates
        text = retry_after or "0"
        if text.strip().isdigit():
            seconds = float(text)
        else:
            date = parsedate_to_datetime(text)
            seconds = (date.astimezone(UTC) - now).total_seconds()
    return timedelta(seconds=min(max(seconds, 0.0), MAX_RETRY_AFTER))
