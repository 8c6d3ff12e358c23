"""Markers of advertising in a result: breaks, and other messages of SCTE 35."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from taskengine.model import JsonObject

MESSAGES: Final = ("out", "back", "other")


@dataclass(frozen=True, slots=True)
class Marker:
    """Seconds of the result; `out` and `back` are the messages with which a break begins and ends
    there, `other` is one that neither begins nor ends one.

    Of a break that `is_inserted` nothing gives way: the result goes on where it stopped. What
    players of HLS show in it by themselves is at `asset_uri`, or listed at `asset_list`.
    """

    id: int
    start: Fraction
    duration: Fraction | None = None  # of a break; None: nobody said
    out: bytes = b""
    back: bytes = b""
    other: bytes = b""
    is_inserted: bool = False
    asset_uri: str = ""
    asset_list: str = ""

    @property
    def end(self) -> Fraction | None:
        """Where the result goes on."""
        if self.is_inserted:
            return self.start
        return None if self.duration is None else self.start + self.duration

    def to_json(self) -> JsonObject:
        """Without what is empty; fractions as text."""
        said: JsonObject = {"id": self.id, "start": str(self.start)}
        if self.duration is not None:
            said["duration"] = str(self.duration)
        messages = dict(zip(MESSAGES, (self.out, self.back, self.other), strict=True))
        said |= {name: one.hex() for name, one in messages.items() if one}
        assets = {"asset_uri": self.asset_uri, "asset_list": self.asset_list}
        said |= {name: one for name, one in assets.items() if one}
        return said | ({"is_inserted": True} if self.is_inserted else {})

    @classmethod
    def of_json(cls, said: Mapping[str, str | int]) -> Marker:
        length = said.get("duration")
        out, back, other = (bytes.fromhex(str(said.get(name, ""))) for name in MESSAGES)
        return cls(
            int(said["id"]),
            Fraction(said["start"]),
            None if length is None else Fraction(length),
            out,
            back,
            other,
            is_inserted=bool(said.get("is_inserted")),
            asset_uri=str(said.get("asset_uri", "")),
            asset_list=str(said.get("asset_list", "")),
        )
