"""MPEG-TS with encrypted samples, decrypted where it stands.

Pictures become a little shorter when they are decrypted; stuffing takes the place of what is gone,
so that every packet stays where it is and keeps its number. The program map says by types of its
own which streams are encrypted, and then that they are not.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from taskengine.capture.encryption.boxes import Data
from taskengine.capture.encryption.fragments import Opened
from taskengine.capture.encryption.samples import open_pictures, open_sound
from taskengine.media.scte35 import crc32
from taskengine.media.transport import LIST, PACKET, length_at, map_pids, pid_at, streams

PICTURES, SOUND = frozenset({0xDB}), frozenset({0xCF, 0xC1, 0xC2})  # types of encrypted streams
CLEAR: Final = {0xDB: 0x1B, 0xCF: 0x0F, 0xC1: 0x81, 0xC2: 0x87}
HEVC: Final = 0x24  # for which SAMPLE-AES defines nothing in MPEG-TS
TABLE_LIST, TABLE_MAP = 0, 2


@dataclass(frozen=True, slots=True)
class _Payload:
    """The payload of a packet, `[start, end)` of the file."""

    head: int
    start: int
    end: int


@dataclass(slots=True)
class TransportStream:
    """Of one segment. Raises ValueError for what cannot be read."""

    data: Data
    key: bytes = field(repr=False)
    iv: bytes = field(repr=False)
    opened: Opened = field(default_factory=Opened)
    _maps: set[int] = field(default_factory=set)  # PIDs
    _types: dict[int, int] = field(default_factory=dict)  # of encrypted streams, by PID
    _open: dict[int, list[_Payload]] = field(default_factory=lambda: defaultdict(list))

    def open(self) -> Opened:
        for head in range(0, len(self.data) - PACKET + 1, PACKET):
            pid = pid_at(self.data, head + 1)
            part = self._payload(head)
            if part is None:
                continue
            is_start = bool(self.data[head + 1] & 0x40)
            if pid == LIST or pid in self._maps:
                if is_start:
                    self._table(part)
            elif pid in self._types:
                self._collect(pid, part, is_start=is_start)
        for pid, parts in self._open.items():
            self._unit(pid, parts)
        return self.opened

    def _payload(self, head: int) -> _Payload | None:
        flags, start = self.data[head + 3], head + 4
        if flags & 0x20:
            start += 1 + self.data[head + 4]
        end = head + PACKET
        return _Payload(head, start, end) if flags & 0x10 and start < end else None

    # Tables

    def _table(self, part: _Payload) -> None:
        start = part.start + 1 + self.data[part.start]
        if start + 12 > part.end:
            return
        kind = self.data[start]
        end = start + 3 + length_at(self.data, start + 1)
        if end > part.end:
            if kind == TABLE_MAP:
                raise ValueError("a program map of several packets")
            return
        if kind == TABLE_LIST:
            self._maps.update(map_pids(bytes(self.data[start:end])))
        elif kind == TABLE_MAP:
            self._map(start, end)

    def _map(self, start: int, end: int) -> None:
        for place, kind, pid in streams(bytes(self.data[start:end])):
            if kind == HEVC:
                raise ValueError("H.265 in MPEG-TS with SAMPLE-AES cannot be opened")
            if kind in CLEAR:
                self._types[pid] = kind
                self.data[start + place] = CLEAR[kind]
        self.data[end - 4 : end] = crc32(self.data[start : end - 4])

    # Elementary streams

    def _collect(self, pid: int, part: _Payload, *, is_start: bool) -> None:
        parts = self._open[pid]
        if is_start and parts:
            self._unit(pid, parts)
            parts.clear()
        if is_start or parts:  # what belongs to a packet before the segment is left alone
            parts.append(part)

    def _unit(self, pid: int, parts: list[_Payload]) -> None:
        """One PES packet."""
        packet = bytearray(b"".join(self.data[one.start : one.end] for one in parts))
        if packet[:3] != b"\0\0\1" or len(packet) < 9:
            raise ValueError("a packet of its streams does not begin where it should")
        begin = 9 + packet[8]
        length = int.from_bytes(packet[4:6])
        end = 6 + length if length else len(packet)
        if not begin <= end <= len(packet):
            raise ValueError("a packet of its streams is cut")
        content = bytearray(packet[begin:end])
        if self._types[pid] in SOUND:
            number, locked = open_sound(content, self.key, self.iv)
        else:
            number = 1
            made, slices = open_pictures(bytes(content), self.key, self.iv)
            content, locked = bytearray(made), min(1, slices)
        self.opened.samples += number
        self.opened.locked += locked
        if length:
            packet[4:6] = (length - (end - begin) + len(content)).to_bytes(2)
        self._write(parts, bytes(packet[:begin] + content))

    def _write(self, parts: list[_Payload], packet: bytes) -> None:
        """Over the same packets: the first ones are full, each has a byte at least."""
        place = 0
        for number, part in enumerate(parts):
            behind = len(parts) - number - 1
            size = min(part.end - part.start, len(packet) - place - behind)
            if size < 1:
                raise ValueError("a packet of its streams has too little in it")
            self._stuff(part, part.end - part.start - size)
            self.data[part.end - size : part.end] = packet[place : place + size]
            place += size

    def _stuff(self, part: _Payload, number: int) -> None:
        """Fill up the adaptation field, which may have to be made, before the payload."""
        if not number:
            return
        head, field_start = part.head, part.head + 4
        if not self.data[head + 3] & 0x20:
            self.data[head + 3] |= 0x20
            self.data[field_start] = number - 1
            if number > 1:
                self.data[field_start + 1] = 0  # none of its flags
            stuffed = field_start + 2
        else:
            if self.data[field_start] == 0:
                self.data[field_start + 1] = 0
                stuffed = field_start + 2
            else:
                stuffed = part.start
            self.data[field_start] += number
        end = part.start + number
        if stuffed < end:
            self.data[stuffed:end] = b"\xff" * (end - stuffed)
