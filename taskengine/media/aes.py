"""AES-128 HLS: the segments of a clear rendition, each encrypted whole, in files of their own.

The packager can do it for MPEG-TS alone. Whole files, since few players decrypt byte ranges.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import trio
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from taskengine.media.keys import AssetKeys

_MAP: Final = re.compile(r'#EXT-X-MAP:URI="[^"]+",BYTERANGE="(\d+)@(\d+)"')
_RANGE: Final = re.compile(r"#EXT-X-BYTERANGE:(\d+)(?:@(\d+))?")
_PLAYLIST: Final = re.compile(r'URI="([^"]+\.m3u8)"|^([^#\s].*\.m3u8)$', re.MULTILINE)


async def encrypt_hls(
    clear: Path, master: str, made: Path, stems: tuple[str, str], keys: AssetKeys
) -> str:
    """Encrypt the renditions of a master playlist from `clear` into `made`.

    Returns the text of the new master playlist, in which the first stem became the second.
    """
    text = await trio.Path(clear / master).read_text()
    lines = [line for line in text.splitlines() if "I-FRAME-STREAM" not in line]  # byte ranges
    text = "\n".join(lines) + "\n"
    for match in _PLAYLIST.finditer(text):
        playlist = match[1] or match[2]
        rendition = _Rendition(clear / playlist, made, *stems, keys)
        await trio.to_thread.run_sync(rendition.encrypt)
    return text.replace(*stems)


@dataclass(frozen=True, slots=True)
class _Rendition:
    playlist: Path
    made: Path
    old: str
    new: str
    keys: AssetKeys

    def encrypt(self) -> None:
        lines = self.playlist.read_text().splitlines()
        name = self.playlist.name.replace(self.old, self.new)
        media = next(line for line in lines if line and not line.startswith("#"))
        if media.endswith(".vtt"):  # captions stay clear: players load them by themselves
            copy = self.made / media.replace(self.old, self.new)
            copy.write_bytes((self.playlist.parent / media).read_bytes())
            text = "\n".join(lines).replace(self.old, self.new)
        else:
            with open(self.playlist.parent / media, "rb") as file:
                text = "\n".join(self._rewritten(lines, file, Path(name).stem))
        (self.made / name).write_text(text + "\n")

    def _rewritten(self, lines: list[str], file: BinaryIO, stem: str) -> Iterator[str]:
        number = end = 0
        for line in lines:
            if found := _MAP.match(line):  # stands before the key, so it stays clear
                (self.made / f"{stem}_init.mp4").write_bytes(_slice(file, int(found[2]), found[1]))
                yield f'#EXT-X-MAP:URI="{stem}_init.mp4"'
                yield f'#EXT-X-KEY:METHOD=AES-128,URI="{self.keys.aes_uri}"'
            elif found := _RANGE.match(line):
                start = int(found[2]) if found[2] else end
                end = start + int(found[1])
                segment = f"{stem}_{number + 1:05d}.m4s"
                data = _slice(file, start, found[1])
                (self.made / segment).write_bytes(_encrypted(data, self.keys.aes, number))
                number += 1
                yield segment
            elif line.startswith("#"):
                yield line


def _slice(file: BinaryIO, start: int, length: str) -> bytes:
    file.seek(start)
    return file.read(int(length))


def _encrypted(data: bytes, key: str, number: int) -> bytes:
    """Without an IV in the playlist it is the segment's media sequence number (RFC 8216, 5.2)."""
    padder = PKCS7(128).padder()
    padded = padder.update(data) + padder.finalize()
    encryptor = Cipher(AES(bytes.fromhex(key)), CBC(number.to_bytes(16, "big"))).encryptor()
    return encryptor.update(padded) + encryptor.finalize()
