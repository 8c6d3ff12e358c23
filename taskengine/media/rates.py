"""Rates of whole tracks, in multivariant playlists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

VARIANT: Final = "#EXT-X-STREAM-INF:"
RATE: Final = re.compile(r"(?P<name>(?:AVERAGE-)?BANDWIDTH)=[0-9]+")


@dataclass(frozen=True, slots=True)
class Rate:
    """Bits a second."""

    peak: int
    average: int


NOTHING: Final = Rate(0, 0)


def with_rates(master: str, rates: Mapping[str, Rate]) -> str:
    """The multivariant playlist with the rates of whole tracks, by their playlists: those of
    pictures with the dearest sound."""
    sound = {name: rates[name] for name in re.findall(r'URI="([^"]+)"', master) if name in rates}
    dearest = max(sound.values(), key=lambda one: one.peak, default=NOTHING)
    lines = master.splitlines()
    made = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        own = rates.get(following)
        if line.startswith(VARIANT) and own is not None:
            beside = NOTHING if following in sound else dearest
            made.append(_rated(line, own.peak + beside.peak, own.average + beside.average))
        else:
            made.append(line)
    return "\n".join(made) + "\n"


def _rated(line: str, peak: int, average: int) -> str:
    said = {"BANDWIDTH": max(peak, average), "AVERAGE-BANDWIDTH": average}
    return RATE.sub(lambda found: f"{found['name']}={said[found['name']]}", line)
