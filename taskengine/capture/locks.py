"""Encrypted segments: AES-128 is opened with the key of the playlist, others are refused."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import trio
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from taskengine.capture.model import Encryption, Resource, Segment, SourceAway
from taskengine.capture.web import Web
from taskengine.model import PermanentFailure

BLOCK: Final = 16  # bytes, of the cipher and of a key
PLAIN: Final = frozenset({b"ftyp", b"moov", b"styp"})  # boxes that an initialization begins with


@dataclass(slots=True)
class Locks:
    """Of one clip. Keys are fetched once."""

    web: Web
    label: str
    _keys: dict[Resource, bytes] = field(default_factory=dict)
    _fetching: trio.Lock = field(default_factory=trio.Lock)

    async def opened(self, segment: Segment, path: Path) -> Segment:
        """The segment in the clear. Raises SourceAway for what a key does not open, and
        PermanentFailure for what needs a key that nobody can have."""
        if segment.encryption is None:
            return segment
        key = await self._key(segment.encryption)
        await trio.to_thread.run_sync(_open_file, path, key, segment.encryption.iv)
        return replace(segment, encryption=None)

    async def opened_init(self, segment: Segment, body: bytes) -> bytes:
        """An initialization that comes behind the key's line is encrypted as well."""
        if segment.form != "mp4" or segment.encryption is None or body[4:8] in PLAIN:
            return body
        key = await self._key(segment.encryption)
        return opened(body, key, segment.encryption.iv)

    async def _key(self, encryption: Encryption) -> bytes:
        if encryption.protection != "AES-128" or encryption.key is None:
            raise PermanentFailure(
                f"{self.label}: the stream is encrypted ({encryption.protection}),"
                " only AES-128 with the key of its playlist can be opened"
            )
        async with self._fetching:
            if (known := self._keys.get(encryption.key)) is None:
                known = (await self.web.get(encryption.key, BLOCK)).body
                if len(known) != BLOCK:
                    raise SourceAway(f"a key of {len(known)} bytes")
                self._keys[encryption.key] = known
        return known


def opened(body: bytes, key: bytes, iv: bytes | None) -> bytes:
    """Raises SourceAway for what is cut, damaged, or encrypted with another key."""
    if not body or len(body) % BLOCK:
        raise SourceAway("its length is none of an encrypted segment")
    cipher = Cipher(AES(key), CBC(iv or bytes(BLOCK))).decryptor()
    unpadder = PKCS7(8 * BLOCK).unpadder()
    try:
        return unpadder.update(cipher.update(body) + cipher.finalize()) + unpadder.finalize()
    except ValueError:
        raise SourceAway("its key does not open it") from None


def _open_file(path: Path, key: bytes, iv: bytes | None) -> None:
    path.write_bytes(opened(path.read_bytes(), key, iv))
