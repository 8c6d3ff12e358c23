"""The breaks of advertising that clips are submitted with: read, and checked before any work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from taskengine.model import BadInput, JsonObject
from taskengine.times import parse_ticks

TIMESCALE = 1000  # ticks a second, where none is given


@dataclass(frozen=True, slots=True)
class ClipEvent:
    """A break: seconds from the clip's beginning. `is_inserted`: nothing of the clip gives way."""

    start: Fraction
    duration: Fraction
    is_inserted: bool = False
    asset_uri: str = ""
    asset_list: str = ""

    @property
    def end(self) -> Fraction:
        """Where the clip goes on."""
        return self.start if self.is_inserted else self.start + self.duration


def read_events(markers: JsonObject | None) -> list[ClipEvent]:
    """Those of a clip, in the order given. Raises ValueError that says which cannot be read."""
    said = markers or {}
    timescale = int(said.get("timescale") or TIMESCALE)
    return [_event(n, one, timescale) for n, one in enumerate(said.get("meta_events") or ())]


def check_events(field: str, markers: JsonObject | None, length: Fraction | None) -> None:
    """Raises BadInput for what cannot be read, lasts no time, overlaps another one, or begins
    behind the clip, whose `length` is None where only its source knows it."""
    try:
        events = read_events(markers)
    except ValueError as error:
        raise BadInput(f"{field}.{error}") from None
    for place, event in enumerate(events):
        name = f"{field}.meta_events[{place}]"
        if event.duration <= 0:
            raise BadInput(f"{name}.duration: expected more than 0")
        if length is not None and event.start >= length:
            raise BadInput(f"{name}.presentation_time: it is not before the end of the clip")
    _check_apart(field, events)


def _check_apart(field: str, events: Sequence[ClipEvent]) -> None:
    ordered = sorted(range(len(events)), key=lambda place: events[place].start)
    for before, after in pairwise(ordered):
        one, other = events[before], events[after]
        if other.start < one.end or other.start == one.start:
            raise BadInput(f"{field}.meta_events[{after}]: it overlaps meta_events[{before}]")


def _event(place: int, said: JsonObject, timescale: int) -> ClipEvent:
    start, duration = (
        _ticks(place, name, said.get(name), timescale) for name in ("presentation_time", "duration")
    )
    return ClipEvent(
        start,
        duration,
        said.get("type") == "insert",
        str(said.get("asset_uri") or ""),
        str(said.get("asset_list") or ""),
    )


def _ticks(place: int, name: str, value: object, timescale: int) -> Fraction:
    found = parse_ticks(value, timescale) if isinstance(value, str | int) else None
    if found is None:
        raise ValueError(
            f"meta_events[{place}].{name}: expected hh:mm:ss or a whole number of ticks"
        )
    return found
