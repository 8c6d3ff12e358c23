"""SCTE 35 in MPEG-TS (ANSI/SCTE 35, chapter 8): messages that are a stream beside the pictures.

A list of programs leads to their maps, and a map to the PID of the messages. The packets of one PID
are found by looking through two columns of bytes, not packet by packet: there are millions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final

from taskengine.capture.signals import MAX_SIGNALS
from taskengine.capture.sources.events import Emsg, Problem
from taskengine.media.scte35 import read_message
from taskengine.media.transport import LIST, PACKET, length_at, map_pids, streams

MESSAGES: Final = 0x86  # the type of a stream of messages
MAX_PROGRAMS: Final = 16
STUFFING: Final = 0xFF


def transport_messages(path: Path, problem: Problem) -> list[Emsg]:
    """Those of a segment's file, at their times on its clock. Blocking."""
    if path.stat().st_size < PACKET:
        return []
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        stream = _Packets(data)
        pids = [pid for place in _maps(stream) for pid in _pids(stream, place)]
        sections = (one for pid in pids for one in stream.sections(pid))
        found = (_message(section, problem) for section in islice(sections, MAX_SIGNALS))
        return [one for one in found if one is not None]


def _message(section: bytes, problem: Problem) -> Emsg | None:
    try:
        message = read_message(section)
    except ValueError as error:
        problem(f"a message in MPEG-TS that cannot be read: {error}")
        return None
    at = message.time
    return Emsg(at or Fraction(0), at is None, None, "", message)


def _maps(stream: _Packets) -> list[int]:
    """The PIDs of the maps of programs."""
    table = next(stream.sections(LIST), b"")
    return map_pids(table)[:MAX_PROGRAMS]


def _pids(stream: _Packets, place: int) -> Iterator[int]:
    """Those of messages, in the map of a program."""
    table = next(stream.sections(place), b"")
    return (pid for _, kind, pid in streams(table) if kind == MESSAGES)


@dataclass(slots=True)
class _Packets:
    data: mmap
    _high: bytes = field(init=False)  # of the PIDs of all packets
    _low: bytes = field(init=False)

    def __post_init__(self) -> None:
        self._high, self._low = self.data[1::PACKET], self.data[2::PACKET]

    def sections(self, pid: int) -> Iterator[bytes]:
        """The sections that begin in packets of a PID, whole ones."""
        held = b""
        for is_start, payload in self._payloads(pid):
            if is_start and payload:
                behind = 1 + payload[0]  # what is before belongs to the section before
                yield from _whole(held + payload[1:behind])[0]
                held = payload[behind:]
            elif held:
                held += payload
            found, held = _whole(held)
            yield from found

    def _payloads(self, pid: int) -> Iterator[tuple[bool, bytes]]:
        high, low = pid >> 8, pid & 0xFF
        number = self._low.find(low)
        while number >= 0:
            if number < len(self._high) and self._high[number] & 0x1F == high:
                head = number * PACKET
                packet = self.data[head : head + PACKET]
                start = 5 + packet[4] if packet[3] & 0x20 else 4
                if packet[3] & 0x10:
                    yield bool(packet[1] & 0x40), packet[start:]
            number = self._low.find(low, number + 1)


def _whole(data: bytes) -> tuple[list[bytes], bytes]:
    """The sections at the beginning, and what there is of the next one."""
    found: list[bytes] = []
    while len(data) >= 3 and data[0] != STUFFING:
        size = 3 + length_at(data, 1)
        if len(data) < size:
            return found, data
        found.append(data[:size])
        data = data[size:]
    return found, data if data[:1] != bytes([STUFFING]) else b""
