"""Apple's sample encryption of elementary streams (SAMPLE-AES of MPEG-TS and packed audio).

Of a slice of H.264 one block in ten is encrypted, of a frame of sound all but its beginning; each
begins with the IV anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from taskengine.capture.encryption.ciphers import BLOCK, open_sample

LEADER: Final = 32  # bytes of a slice that stay clear, its type with them
SHORTEST: Final = 48  # bytes of a slice; up to here it is clear
SLICES: Final = frozenset({1, 5})  # types of NAL units
SOUND_LEADER: Final = 16  # bytes of a frame of sound, after the head of AAC
START_CODE: Final = re.compile(b"\x00\x00\x01")
AC3_SIZES: Final = (  # words of a frame of 32, 44.1 and 48 kHz, by half its code
    *((96, 69, 64), (120, 87, 80), (144, 104, 96), (168, 121, 112), (192, 139, 128)),
    *((240, 174, 160), (288, 208, 192), (336, 243, 224), (384, 278, 256), (480, 348, 320)),
    *((576, 417, 384), (672, 487, 448), (768, 557, 512), (960, 696, 640), (1152, 835, 768)),
    *((1344, 975, 896), (1536, 1114, 1024), (1728, 1253, 1152), (1920, 1393, 1280)),
)


def open_pictures(data: bytes, key: bytes, iv: bytes) -> tuple[bytes, int]:
    """An access unit of H.264 with start codes, decrypted, which may become shorter; and how many
    of its slices were encrypted."""
    made, place, locked = bytearray(), 0, 0
    starts = [found.end() for found in START_CODE.finditer(data)]
    for start, following in zip(starts, [*(one - 3 for one in starts[1:]), len(data)], strict=True):
        unit = data[start:following]
        rest = len(unit) - len(unit.rstrip(b"\0"))  # zeros before the next start code
        end = following - rest
        if end - start > SHORTEST and data[start] & 31 in SLICES:
            made += data[place:start] + _slice(data[start:end], key, iv)
            place, locked = end, locked + 1
    return bytes(made + data[place:]), locked


def _slice(unit: bytes, key: bytes, iv: bytes) -> bytes:
    """Start codes were prevented once more after it was encrypted: that is undone."""
    sample = bytearray(unit.replace(b"\0\0\3", b"\0\0"))
    # The last block is clear, also if it is a whole one.
    end = len(sample) - 1
    open_sample("cbcs", key, iv, (1, 9), sample, [(LEADER, end)] if end > LEADER else [])
    return bytes(sample)


def open_sound(data: bytearray, key: bytes, iv: bytes) -> tuple[int, int]:
    """Frames of AAC or AC-3, decrypted in place; how many, and how many were encrypted. Raises
    ValueError for what is neither."""
    number = locked = 0
    for start, end in frames(data):
        whole = max(0, end - start) // BLOCK * BLOCK
        if whole:
            open_sample("cbc1", key, iv, (0, 0), data, [(start, start + whole)])
        number, locked = number + 1, locked + bool(whole)
    return number, locked


def frames(data: bytearray) -> Iterator[tuple[int, int]]:
    """Where the part of each frame lies that may be encrypted."""
    place = _after_tags(data)
    while place < len(data):
        head = data[place : place + 10]
        if len(head) >= 7 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
            size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
            first = (7 if head[1] & 1 else 9) + SOUND_LEADER
        elif len(head) >= 6 and head.startswith(b"\x0b\x77"):
            size, first = _dolby_size(head), SOUND_LEADER
        else:
            raise ValueError("its sound is neither AAC nor AC-3")
        if size < 7 or place + size > len(data):
            raise ValueError("a frame of sound is cut")
        yield place + first, place + size
        place += size


def _dolby_size(head: bytearray) -> int:
    """Bytes of a frame of AC-3, or of E-AC-3, whose head says its size outright."""
    if head[5] >> 3 > 10:
        return 2 * ((head[2] & 7) << 8 | head[3]) + 2
    rate, code = head[4] >> 6, head[4] & 63
    if rate == 3 or code >= 2 * len(AC3_SIZES):
        raise ValueError("a frame of AC-3 without a size")
    by_rate = AC3_SIZES[code // 2]
    words = (by_rate[2], by_rate[1] + code % 2, by_rate[0])[rate]
    return 2 * words


def _after_tags(data: bytearray) -> int:
    """Packed audio begins with tags of ID3."""
    place = 0
    while data[place : place + 3] == b"ID3" and place + 10 <= len(data):
        size = data[place + 6 : place + 10]
        place += 10 + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3])
    return place
