"""Packed audio of HLS: bare frames, whose time stands in an ID3 tag (RFC 8216 3.4)."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Final

from taskengine.capture.model import Time

OWNER: Final = b"com.apple.streaming.transportStreamTimestamp\0"
TICKS: Final = 90_000  # a second
WRAP: Final = Fraction(1 << 33, TICKS)  # seconds after which times of MPEG-TS begin anew
LONGEST: Final = 1 << 16  # bytes of a tag that is looked into


def packed_time(head: bytes) -> Time | None:
    """When the first frame is shown, on the clock of MPEG-TS; None if no tag says it."""
    if len(head) < 10 or not head.startswith(b"ID3"):
        return None
    tag = head[10 : 10 + min(_number(head[6:10]), LONGEST)]
    place = tag.find(OWNER)
    if place < 0 or place + len(OWNER) + 8 > len(tag):
        return None
    [time] = struct.unpack_from(">Q", tag, place + len(OWNER))
    return Fraction(time % (1 << 33), TICKS)


def _number(size: bytes) -> int:
    """Of seven bits a byte."""
    return size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3]
