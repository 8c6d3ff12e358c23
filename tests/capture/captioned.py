"""Closed captions for test pictures: CEA-608 written, and put into the segments of a stream."""

from __future__ import annotations

import struct
from pathlib import Path

from taskengine.capture.sources.boxes import boxes

LOAD, SHOW, CLEAR, ERASE, ROLL, RETURN = 0x20, 0x2F, 0x2C, 0x2E, 0x25, 0x2D
BOTTOM = (0x14, 0x70)  # the last row, from its beginning on
NOTHING = (0x80, 0x80)
INSIDE = (b"moof", b"traf")


def odd(byte: int) -> int:
    return byte | (not byte.bit_count() % 2) << 7


def control(code: int) -> list[tuple[int, int]]:
    return [(0x14, code)] * 2  # each is sent twice


def letters(text: str) -> list[tuple[int, int]]:
    data = text.encode("ascii") + b"\0" * (len(text) % 2)
    return list(zip(data[::2], data[1::2], strict=True))


def pop_on(text: str) -> list[tuple[int, int]]:
    """All but what shows it."""
    return [*control(LOAD), *control(ERASE), BOTTOM, BOTTOM, *letters(text)]


def placed(*rows: tuple[int, list[tuple[int, int]]]) -> dict[int, tuple[int, int]]:
    """A pair for each picture from the given ones on, with parity."""
    found = {}
    for first, pairs in rows:
        for number, (one, other) in enumerate(pairs, first):
            assert number not in found
            found[number] = odd(one), odd(other)
    return found


def sei(pair: tuple[int, int], codec: str = "h264") -> bytes:
    """A unit with a pair for the first field, none for the second, and a packet of CEA-708."""
    data = bytes([0xFC, *pair, 0xF9, *NOTHING, 0xFE, 0, 0])
    message = b"\xb5\x00\x31GA94\x03" + bytes([0x40 | 3, 0xFF]) + data + b"\xff"
    head = b"\x06" if codec == "h264" else b"\x4e\x01"
    unit = head + bytes([4, len(message)]) + message.replace(b"\0\0", b"\0\0\3") + b"\x80"
    return struct.pack(">I", len(unit)) + unit


def caption(folder: Path, pairs: dict[int, tuple[int, int]], codec: str = "h264") -> None:
    """Put a pair into each picture of `0.m4s`, `1.m4s`, …, in the order in which they are shown."""
    shown = 0
    for path in sorted(folder.glob("*.m4s"), key=lambda one: int(one.stem)):
        data = path.read_bytes()
        place, sizes, offsets = samples(data)
        order = sorted(range(len(sizes)), key=lambda n: n + offsets[n])
        numbers = {sample: shown + n for n, sample in enumerate(order)}
        shown += len(sizes)
        path.write_bytes(_with_units(data, place, sizes, numbers, pairs, codec))


def samples(data: bytes) -> tuple[int, list[int], list[float]]:
    """Where the table of a fragment's samples begins; their sizes, and how many pictures later
    than decoded each is shown."""
    [place] = [start for kind, start in _inner(data, 0, len(data)) if kind == b"trun"]
    flags = int.from_bytes(data[place + 1 : place + 4], "big")
    [count] = struct.unpack_from(">I", data, place + 4)
    fields = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
    assert 0x200 in fields
    at = place + 8 + 4 * bool(flags & 1) + 4 * bool(flags & 4)
    sizes, offsets = [], []
    for _ in range(count):
        said = dict(zip(fields, struct.unpack_from(f">{len(fields)}i", data, at), strict=True))
        sizes.append(said[0x200])
        offsets.append(said.get(0x800, 0) / 512)  # ticks of a picture of 25 a second
        at += 4 * len(fields)
    return place, sizes, offsets


def _inner(data: bytes, start: int, end: int):
    for kind, first, last in boxes(data, start, end):
        yield kind, first
        if kind in INSIDE:
            yield from _inner(data, first, last)


def _with_units(data, place, sizes, numbers, pairs, codec) -> bytes:
    flags = int.from_bytes(data[place + 1 : place + 4], "big")
    width = 4 * sum(bool(flags & bit) for bit in (0x100, 0x200, 0x400, 0x800))
    table = place + 8 + 4 * bool(flags & 1) + 4 * bool(flags & 4) + 4 * bool(flags & 0x100)
    head = bytearray(data)
    [(start, end)] = [(first, last) for kind, first, last in boxes(data) if kind == b"mdat"]
    media, at = b"", start
    for n, size in enumerate(sizes):
        unit = sei(pairs.get(numbers[n], NOTHING), codec)
        struct.pack_into(">I", head, table + n * width, size + len(unit))
        media += unit + data[at : at + size]
        at += size
    assert at == end
    return bytes(head[: start - 8]) + struct.pack(">I4s", len(media) + 8, b"mdat") + media
