"""Files of segments, decrypted where they lie. All of it blocks, and raises ValueError for what
cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from mmap import mmap
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from taskengine.capture.encryption.boxes import Data, placed
from taskengine.capture.encryption.ciphers import BLOCK, WrongKey
from taskengine.capture.encryption.fragments import KeyOf, Opened, Opener
from taskengine.capture.encryption.protection import Tracks, clear_header
from taskengine.capture.encryption.samples import open_sound
from taskengine.capture.encryption.transport import TransportStream

PIECE: Final = 1 << 20  # bytes
PROTECTED: Final = b"sinf"  # in every header of an encrypted track


@dataclass(frozen=True, slots=True)
class Head:
    """An initialization in the clear, and how its tracks are encrypted."""

    content: bytes = b""
    tracks: Tracks = field(default_factory=dict)


def open_head(body: bytes) -> Head:
    """Of an initialization as it was fetched."""
    if PROTECTED not in body:
        return Head(body)
    data = bytearray(body)
    tracks = clear_header(data)
    return Head(bytes(data), tracks)


@contextmanager
def _mapped(path: Path) -> Iterator[mmap]:
    with path.open("r+b") as file, mmap(file.fileno(), 0) as data:
        yield data


def open_fragments(path: Path, tracks: Tracks, key_of: KeyOf) -> Opened:
    """Of MP4; a file with a header of its own needs no tracks. Raises what `key_of` does."""
    with _mapped(path) as data:
        kinds = {box.kind for box in placed(data)}
        if b"moov" in kinds and data.find(PROTECTED) >= 0:
            tracks = clear_header(data)
            if b"moof" not in kinds and any(one.is_locked for one in tracks.values()):
                raise ValueError("it is one file that is not fragmented")
        if not any(one.is_locked for one in tracks.values()):
            return Opened()
        return Opener(data, tracks, key_of).open()


def open_stream(path: Path, key: bytes, iv: bytes, *, is_packed: bool) -> Opened:
    """Of MPEG-TS or packed audio with encrypted samples."""
    with _mapped(path) as data:
        if not is_packed:
            return TransportStream(data, key, iv).open()
        sound = bytearray(data)
        number, locked = open_sound(sound, key, iv)
        data[:] = bytes(sound)
        return Opened(number, locked)


def open_whole(path: Path, key: bytes, iv: bytes) -> None:
    """Of a file that is encrypted from its first byte to its last one (AES-128). Raises
    WrongKey."""
    size = path.stat().st_size
    if not size or size % BLOCK:
        raise ValueError("its length is none of an encrypted segment")
    with _mapped(path) as data:
        padding = _decrypt(data, key, iv)
    with path.open("r+b") as file:
        file.truncate(size - padding)


def opened_whole(body: bytes, key: bytes, iv: bytes) -> bytes:
    """The same in memory."""
    if not body or len(body) % BLOCK:
        raise ValueError("its length is none of an encrypted segment")
    data = bytearray(body)
    padding = _decrypt(data, key, iv)
    return bytes(data[: len(data) - padding])


def _decrypt(data: Data, key: bytes, iv: bytes) -> int:
    """How many bytes at the end are padding (PKCS #7)."""
    decryptor = Cipher(AES(key), CBC(iv)).decryptor()
    for place in range(0, len(data), PIECE):
        data[place : place + PIECE] = decryptor.update(bytes(data[place : place + PIECE]))
    padding = data[len(data) - 1]
    if not 1 <= padding <= BLOCK or bytes(data[len(data) - padding :]) != bytes(
        [padding] * padding
    ):
        raise WrongKey("its padding is wrong")
    return padding
