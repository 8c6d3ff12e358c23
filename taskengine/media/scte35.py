"""Messages of SCTE 35 (ANSI/SCTE 35 2023r1): the sections that say where breaks begin and end.

A message is read as far as it matters here, and moved in place: what it says beside times stays.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

CLOCK: Final = 90_000  # a second
WRAP: Final = 1 << 33
LONGEST: Final = 4096 + 3  # bytes of a section
AROUND: Final = 20  # of them that stand before and behind the command and the descriptors
INSERT, TIME_SIGNAL = 5, 6
SILENT: Final = frozenset({0, 7})  # splice_null, bandwidth_reservation: they say nothing
STARTS: Final = frozenset({0x22, 0x30, 0x32, 0x34, 0x36, 0x38, 0x3A, 0x3C, 0x3E, 0x44, 0x46})
ENDS: Final = frozenset(one + 1 for one in STARTS)  # of breaks, advertisements, opportunities


@dataclass(frozen=True, slots=True)
class Message:
    """A splice_info_section. `is_out`: a break begins there; False: it ends; None: neither."""

    section: bytes
    command: int = -1  # -1: it is encrypted
    event_id: int | None = None
    is_out: bool | None = None
    pts: int | None = None  # as it stands there, without the adjustment
    duration: Fraction | None = None  # seconds
    _durations: tuple[int, ...] = ()  # where those of breaks stand, each of 5 bytes

    @property
    def says_nothing(self) -> bool:
        return self.command in SILENT

    @property
    def time(self) -> Fraction | None:
        """When it counts, in seconds of the clock of MPEG-TS; None: at once, or nobody can read
        it."""
        if self.pts is None:
            return None
        adjustment = (self.section[4] & 1) << 32 | int.from_bytes(self.section[5:9], "big")
        return Fraction((self.pts + adjustment) % WRAP, CLOCK)

    def moved(self, pts: Fraction, duration: Fraction | None = None) -> bytes:
        """The same for another time, in seconds, and of another duration where it has one."""
        data = bytearray(self.section)
        if self.pts is not None:
            adjustment = (round(pts * CLOCK) - self.pts) % WRAP
            data[4] = data[4] & 0xFE | adjustment >> 32
            data[5:9] = (adjustment & 0xFFFFFFFF).to_bytes(4, "big")
        for place in self._durations if duration is not None else ():
            ticks = min(round((duration or 0) * CLOCK), WRAP - 1)
            others = data[place] & 0xFE if self.command == INSERT else 0  # bits before its 33
            data[place : place + 5] = (others << 32 | ticks).to_bytes(5, "big")
        return bytes(data[:-4]) + crc32(data[:-4])


def read_message(data: bytes) -> Message:
    """Raises ValueError for what is no section, or damaged."""
    if len(data) < 17 or data[0] != 0xFC:
        raise ValueError("it is no splice_info_section")
    size = (int.from_bytes(data[1:3], "big") & 0xFFF) + 3
    if size > min(len(data), LONGEST) or size < 17:
        raise ValueError(f"a section of {len(data)} bytes says that it has {size}")
    section = bytes(data[:size])
    if crc32(section[:-4]) != section[-4:]:
        raise ValueError("its checksum is wrong")
    if section[4] & 0x80:
        return Message(section)
    try:
        return replace(_read(section[:-4]), section=section)
    except IndexError:
        raise ValueError("it is cut") from None


def read_text(text: str) -> Message:
    """Of a manifest: hexadecimal digits behind `0x`, or base64. Raises ValueError."""
    text = text.strip().strip('"')
    if len(text) > 2 * LONGEST + 2:
        raise ValueError(f"a message of {len(text)} characters")
    try:
        if text[:2].lower() == "0x":
            return read_message(bytes.fromhex(text[2:]))
        if text[:2].upper() == "FC":
            return read_message(bytes.fromhex(text))
        padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
        return read_message(base64.b64decode(padded, validate=True))
    except binascii.Error as error:
        raise ValueError(f"neither hexadecimal digits nor base64: {error}") from None


def splice_insert(
    event_id: int, pts: Fraction | None, duration: Fraction | None = None, *, is_out: bool
) -> bytes:
    """A message of its own: a break begins, or ends, at a time in seconds (None: at once)."""
    flags = is_out << 7 | 0x40 | (duration is not None) << 5 | (pts is None) << 4 | 0x0F
    command = (event_id % (1 << 32)).to_bytes(4, "big") + bytes([0x7F, flags])
    command += splice_time(pts) if pts is not None else b""
    if duration is not None:
        command += (0xFE << 32 | _ticks(duration)).to_bytes(5, "big")  # auto_return
    return section_of(INSERT, command + bytes([0, 1, 0, 0]))


def splice_time(pts: Fraction | None) -> bytes:
    return b"\x7f" if pts is None else (0xFE << 32 | _ticks(pts)).to_bytes(5, "big")


def section_of(
    command: int, content: bytes, descriptors: bytes = b"", adjustment: int = 0
) -> bytes:
    """Raises ValueError for more than a section takes."""
    if len(content) + len(descriptors) > LONGEST - AROUND:
        raise ValueError(f"a message of {len(content) + len(descriptors)} bytes")
    body = bytes([0]) + (adjustment % WRAP).to_bytes(5, "big") + b"\xff"
    body += (0xFFF << 12 | len(content)).to_bytes(3, "big") + bytes([command]) + content
    body += len(descriptors).to_bytes(2, "big") + descriptors
    section = b"\xfc" + (0x3000 | len(body) + 4).to_bytes(2, "big") + body
    return section + crc32(section)


def crc32(data: bytes | bytearray) -> bytes:
    """CRC-32/MPEG-2."""
    found = 0xFFFFFFFF
    for byte in data:
        found = TABLE[found >> 24 ^ byte] ^ found << 8 & 0xFFFFFFFF
    return found.to_bytes(4, "big")


def _entry(value: int) -> int:
    value <<= 24
    for _ in range(8):
        value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
    return value


TABLE: Final = tuple(map(_entry, range(256)))


def _ticks(seconds: Fraction) -> int:
    return round(seconds * CLOCK) % WRAP


def _read(data: bytes) -> Message:
    command = data[13]
    if command == INSERT:
        return _insert(data)
    if command == TIME_SIGNAL:
        return _signal(data, *_time(data, 14))
    return Message(data, command)


def _insert(data: bytes) -> Message:
    event_id, place = int.from_bytes(data[14:18], "big"), 20
    if data[18] & 0x80:  # it calls off an event that was announced
        return Message(data, INSERT, event_id)
    flags, pts = data[19], None
    has_time = not flags & 0x10
    if flags & 0x40:
        pts, place = _time(data, place) if has_time else (None, place)
    else:
        count, place = data[place], place + 1
        for _ in range(count):
            own, place = _time(data, place + 1) if has_time else (None, place + 1)
            pts = own if pts is None else pts
    duration, places = None, tuple[int, ...]()
    if flags & 0x20:
        duration = Fraction(_number(data, place) % WRAP, CLOCK)
        places = (place,)
    return Message(data, INSERT, event_id, bool(flags & 0x80), pts, duration, places)


def _time(data: bytes, place: int) -> tuple[int | None, int]:
    if not data[place] & 0x80:
        return None, place + 1
    return _number(data, place) % WRAP, place + 5


def _number(data: bytes, place: int) -> int:
    """Of 5 bytes. Raises IndexError if they are not there."""
    if place + 5 > len(data):
        raise IndexError(place)
    return int.from_bytes(data[place : place + 5], "big")


@dataclass(frozen=True, slots=True)
class _Segmentation:
    event_id: int
    type: int
    place: int | None  # of its duration, 5 bytes
    duration: Fraction | None


def _signal(data: bytes, pts: int | None, place: int) -> Message:
    """What of its descriptors tells of a break counts, else the first one."""
    found = list(_segmentations(data, place))
    breaks = [one for one in found if one.type in STARTS]
    chosen = next(iter([*breaks, *(one for one in found if one.type in ENDS), *found]), None)
    if chosen is None:
        return Message(data, TIME_SIGNAL, pts=pts)
    is_out = True if chosen.type in STARTS else False if chosen.type in ENDS else None
    places = tuple(one.place for one in breaks if one.place is not None)
    return Message(data, TIME_SIGNAL, chosen.event_id, is_out, pts, chosen.duration, places)


def _segmentations(data: bytes, place: int) -> Iterator[_Segmentation]:
    end = place + 2 + (data[place] << 8 | data[place + 1])
    place += 2
    while place < end:
        tag, size = data[place], data[place + 1]
        own = data[place + 2 : place + 2 + size]
        if place + 2 + size > min(end, len(data)):
            raise IndexError(place)
        if tag == 2 and own[:4] == b"CUEI" and not own[8] & 0x80:
            yield _segmentation(own, place + 2)
        place += 2 + size


def _segmentation(own: bytes, start: int) -> _Segmentation:
    event_id, flags, at = int.from_bytes(own[4:8], "big"), own[9], 10
    if not flags & 0x80:  # by components
        at += 1 + 6 * own[at]
    duration, place = None, None
    if flags & 0x40:
        place = start + at
        duration = Fraction(_number(own, at), CLOCK)
        at += 5
    return _Segmentation(event_id, own[at + 2 + own[at + 1]], place, duration)
