"""Breaks, made of what sources say again and again, and in several forms. Pure.

A break has one beginning, however many playlists, tags, events and origins tell of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from taskengine.capture.model import Signal, Time

SAME: Final = Fraction(1, 2)  # seconds by which sayings of one moment may differ
ROUGH: Final = Fraction(2)  # and those that say only about when
LATE: Final = Fraction(60)  # seconds that a break may last longer than it should


@dataclass(frozen=True, slots=True)
class Break:
    """`[start, end)` of the timeline. `out` and `back` are messages, empty where there is none;
    `is_ended`: a source says that it ends there, not only how long it should last."""

    start: Time
    end: Time | None = None
    out: bytes = b""
    back: bytes = b""
    is_ended: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """A message that neither begins nor ends a break that is known."""

    time: Time
    section: bytes


def breaks(said: Iterable[Signal]) -> tuple[list[Break], list[Remark]]:
    """In the order of their times. Of sayings of one moment the first one's time counts: let those
    of the best source come first."""
    outs: list[Signal] = []
    backs: list[Signal] = []
    others: list[Signal] = []
    goes_on: list[Signal] = []
    rows = {"out": outs, "in": backs, "other": others, "on": goes_on}
    for one in sorted(dict.fromkeys(said), key=lambda signal: signal.is_rough):
        row = rows[one.kind]
        place = _same(row, one)
        if place is None:
            row.append(one)
        else:
            row[place] = _together(row[place], one)
    found, lone = _paired(sorted(outs, key=_time), sorted(backs, key=_time))
    found = _with_those_that_go_on(found, sorted(goes_on, key=_time))
    remarks = [Remark(one.time, one.section) for one in (*others, *lone) if one.section]
    return found, sorted(remarks, key=lambda one: one.time)


def _time(one: Signal) -> Time:
    return one.time


def _same(row: Sequence[Signal], one: Signal) -> int | None:
    """Which of them says the same."""
    for place, other in enumerate(row):
        apart = abs(other.time - one.time)
        near = apart <= (ROUGH if one.is_rough or other.is_rough else SAME)
        if near and not (_differ(one.section, other.section) and _differ(one.id, other.id)):
            return place
    return None


def _differ(one: bytes | str, other: bytes | str) -> bool:
    return bool(one) and bool(other) and one != other


def _together(one: Signal, other: Signal) -> Signal:
    """What one of them says, and what only the other says."""
    more = other if other.section and not one.section else one
    length = one.duration if one.duration is not None else other.duration
    return replace(one, duration=length, id=more.id or other.id, section=more.section)


def _paired(outs: Sequence[Signal], backs: Sequence[Signal]) -> tuple[list[Break], list[Signal]]:
    """Each end belongs to the beginning of its name, else to the last one before it."""
    ends: dict[int, Signal] = {}
    lone: list[Signal] = []
    for back in backs:
        before = [n for n, out in enumerate(outs) if _may_end(out, back) and n not in ends]
        named = [n for n in before if back.id and outs[n].id == back.id]
        chosen = max(named or before, default=None)
        if chosen is None:
            lone.append(back)
        else:
            ends[chosen] = back
    return [_break(out, ends.get(place)) for place, out in enumerate(outs)], lone


def _may_end(out: Signal, back: Signal) -> bool:
    is_late = out.duration is not None and back.time > out.time + out.duration + LATE
    return out.time < back.time and not is_late and not _differ(out.id, back.id)


def _break(out: Signal, back: Signal | None) -> Break:
    if back is not None:
        return Break(out.time, back.time, out.section, back.section, is_ended=True, name=out.id)
    end = None if out.duration is None else out.time + out.duration
    return Break(out.time, end, out.section, name=out.id)


def _with_those_that_go_on(found: list[Break], said: Sequence[Signal]) -> list[Break]:
    """A break that goes on began, if no other one is known that is going on then."""
    for one in said:
        if not any(b.start <= one.time and (b.end is None or one.time < b.end) for b in found):
            later = [b.start for b in found if b.start > one.time]
            end = None if one.duration is None else one.time + one.duration
            if end is None and later:
                end = min(later)
            found.append(Break(one.time, end, one.section, name=one.id))
    return sorted(found, key=lambda b: b.start)
