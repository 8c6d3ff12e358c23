"""PlayReady: content keys made of a key seed, and the key ids in its headers.

Its key ids are GUIDs as Windows writes them: the first three of their fields are little-endian. All
other standards write the same id in the order of its digits, and so does everything outside here.
"""

from __future__ import annotations

import re
import struct
from base64 import b64decode
from collections.abc import Iterator
from hashlib import sha256
from typing import Final
from uuid import UUID

SEED: Final = 30  # bytes of a key seed that count
RIGHTS: Final = 1  # type of the record with a header
KEY_ID: Final = re.compile(r"<KID>\s*([^<\s]+)\s*</KID>|<KID\b[^>]*?\bVALUE\s*=\s*[\"']([^\"']+)")
MAX_HEADER: Final = 1 << 16  # bytes


def content_key(seed: bytes, key_id: bytes) -> bytes:
    """The key of a key id, both 16 bytes ("PlayReady Header Object", key seed algorithm)."""
    seed, guid = seed[:SEED], swapped(key_id)
    texts = (seed + guid, seed + guid + seed, seed + guid + seed + guid)
    halves = [half for one in map(_hashed, texts) for half in (one[:16], one[16:])]
    return bytes(a ^ b ^ c ^ d ^ e ^ f for a, b, c, d, e, f in zip(*halves, strict=True))


def swapped(key_id: bytes) -> bytes:
    """From one of both orders to the other."""
    return UUID(bytes=key_id).bytes_le


def key_ids(header: bytes) -> Iterator[bytes]:
    """Of a PlayReady Object. What cannot be read has none."""
    if len(header) < 6 or len(header) > MAX_HEADER:
        return
    place, number = 6, struct.unpack_from("<H", header, 4)[0]
    for _ in range(number):
        if place + 4 > len(header):
            return
        kind, length = struct.unpack_from("<HH", header, place)
        if kind == RIGHTS:
            yield from _named(header[place + 4 : place + 4 + length].decode("utf-16-le", "replace"))
        place += 4 + length


def header_key_id(text: str) -> str:
    """The first key id of a header as manifests have it: base64, or a `data:` URL of it. Empty if
    there is none; hexadecimal."""
    coded = text.rpartition(",")[2] if text.startswith("data:") else text
    try:
        header = b64decode(coded.strip(), validate=True) if len(coded) < MAX_HEADER else b""
    except ValueError:
        return ""
    return next((one.hex() for one in key_ids(header)), "")


def _named(text: str) -> Iterator[bytes]:
    for found in KEY_ID.finditer(text):
        try:
            guid = b64decode(found[1] or found[2], validate=True)
        except ValueError:
            continue
        if len(guid) == 16:
            yield swapped(guid)


def _hashed(text: bytes) -> bytes:
    return sha256(text).digest()
