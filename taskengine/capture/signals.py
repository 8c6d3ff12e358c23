"""Signals of advertising: what a message says by itself, and signals as a recording keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from typing import Any, Final

from taskengine.capture.model import Signal, SignalKind, Time
from taskengine.media.scte35 import Message

MAX_SIGNALS: Final = 2000  # of a clip
MAX_NAME: Final = 200  # characters of what a source calls a break


def signal_of(
    message: Message, time: Time, *, name: str = "", duration: Time | None = None
) -> Signal | None:
    """What a message says by itself; None for one that only keeps the line busy."""
    if message.says_nothing:
        return None
    kind: SignalKind = "other" if message.is_out is None else "out" if message.is_out else "in"
    name = name if message.event_id is None else str(message.event_id)
    length = message.duration if duration is None else duration
    length = length if kind == "out" else None
    return Signal(kind, time, length, name[:MAX_NAME], message.section)


def to_json(one: Signal) -> dict[str, Any]:
    """Fractions as text."""
    length = None if one.duration is None else str(one.duration)
    return {
        **asdict(one),
        "time": str(one.time),
        "duration": length,
        "section": one.section.hex(),
    }


def of_json(said: Mapping[str, Any]) -> Signal:
    return Signal(
        said["kind"],
        Fraction(said["time"]),
        None if said["duration"] is None else Fraction(said["duration"]),
        said["id"],
        bytes.fromhex(said["section"]),
        said["is_rough"],
    )
