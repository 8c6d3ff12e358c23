"""Markers of advertising in a result: breaks, and other messages of SCTE 35."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from taskengine.model import JsonObject


@dataclass(frozen=True, slots=True)
class Marker:
    """Seconds of the result; `out` and `back` are the messages with which a break begins and ends
    there, `other` is one that neither begins nor ends one."""

    id: int
    start: Fraction
    duration: Fraction | None = None  # of a break; None: nobody said
    out: bytes = b""
    back: bytes = b""
    other: bytes = b""

    @property
    def end(self) -> Fraction | None:
        return None if self.duration is None else self.start + self.duration

    def to_json(self) -> JsonObject:
        """Without what is empty; fractions as text."""
        said: JsonObject = {"id": self.id, "start": str(self.start)}
        if self.duration is not None:
            said["duration"] = str(self.duration)
        messages = {"out": self.out, "back": self.back, "other": self.other}
        return said | {name: one.hex() for name, one in messages.items() if one}

    @classmethod
    def of_json(cls, said: Mapping[str, str | int]) -> Marker:
        length = said.get("duration")
        messages = [bytes.fromhex(str(said.get(name, ""))) for name in ("out", "back", "other")]
        duration = None if length is None else Fraction(length)
        return cls(int(said["id"]), Fraction(said["start"]), duration, *messages)
