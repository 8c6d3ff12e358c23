"""MPEG-TS (ISO/IEC 13818-1): what the tables of its programs say. A section is at hand as a whole,
from its first byte to its checksum."""

from __future__ import annotations

from collections.abc import Iterator
from mmap import mmap
from typing import Final

PACKET: Final = 188  # bytes
LIST: Final = 0  # the PID of the list of programs


def map_pids(section: bytes) -> list[int]:
    """The PIDs of the maps of all programs in a list of these."""
    rows = [section[place : place + 4] for place in range(8, len(section) - 7, 4)]
    return [pid_at(row, 2) for row in rows if row[:2] != b"\0\0"]


def streams(section: bytes) -> Iterator[tuple[int, int, int]]:
    """The streams in the map of a program: the place of what is said of each, its type and PID."""
    place = 12 + length_at(section, 10)
    while place + 5 <= len(section) - 4:
        yield place, section[place], pid_at(section, place + 1)
        place += 5 + length_at(section, place + 3)


def pid_at(data: bytes | bytearray | mmap, place: int) -> int:
    return int.from_bytes(data[place : place + 2]) & 0x1FFF


def length_at(data: bytes | bytearray | mmap, place: int) -> int:
    return int.from_bytes(data[place : place + 2]) & 0xFFF
