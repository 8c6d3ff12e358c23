"""The times of a capture's clips, as they are submitted (A79)."""

from __future__ import annotations

from fractions import Fraction

from taskengine.jobs.clip_markers import check_events
from taskengine.model import BadInput, JsonObject
from taskengine.times import parse_offset, parse_time
from taskengine.workflows.schemas import shown

Time = tuple[bool, Fraction]  # whether it is an offset; seconds


def check_clips(parameters: JsonObject, clips: JsonObject | None) -> None:
    """Raises BadInput for a time that cannot be read, for a start that is not before its end, and
    for markers that cannot be.

    `clips` says which parameter holds the clips, and how their times and their markers are called;
    None: it has none.
    """
    if not clips:
        return
    name, first, last = clips["from"], clips["start"], clips["end"]
    for place, clip in enumerate(parameters.get(name) or ()):
        if not isinstance(clip, dict):
            continue
        start, end = (
            _time(f"parameters.{name}[{place}].{key}", clip.get(key)) for key in (first, last)
        )
        if start and end and start[0] == end[0] and start[1] >= end[1]:
            raise BadInput(f"parameters.{name}[{place}]: {first} is not before {last}")
        if markers := clips.get("markers"):
            field = f"parameters.{name}[{place}].{markers}"
            check_events(field, clip.get(markers), _length(start, end))


def _length(start: Time | None, end: Time | None) -> Fraction | None:
    """As far as the times alone say it."""
    if end is None or (start is None and not end[0]) or (start and start[0] != end[0]):
        return None
    return end[1] - (start[1] if start else 0)


def _time(field: str, value: object) -> Time | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else ""
    if (offset := parse_offset(text)) is not None:
        return True, offset
    try:
        return False, Fraction(parse_time(text).timestamp())
    except ValueError:
        raise BadInput(
            f"{field}: expected a UTC time such as 2031-01-05T10:00:00.000Z, or hh:mm:ss,"
            f" got {shown(text if isinstance(value, str) else str(value))}"
        ) from None
