"""The four schemes of common encryption (ISO/IEC 23001-7, 9 and 10): one sample opened in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, CTR

BLOCK: Final = 16  # bytes
Scheme = Literal["cenc", "cens", "cbc1", "cbcs"]
SCHEMES: Final[tuple[Scheme, ...]] = ("cenc", "cens", "cbc1", "cbcs")
Pattern = tuple[int, int]  # blocks encrypted, then blocks in the clear; (0, 0): all encrypted
Ranges = Sequence[tuple[int, int]]  # start and end of what may be encrypted


class WrongKey(ValueError):
    """What was decrypted is not what it has to be."""


def open_sample(
    scheme: Scheme, key: bytes, iv: bytes, pattern: Pattern, sample: bytearray, ranges: Ranges
) -> int:
    """Decrypt a sample in place; how many bytes of it were encrypted."""
    match scheme:
        case "cenc":
            return _chained(sample, ranges, (0, 0), 1, lambda data: counted(key, iv, data))
        case "cens":
            return _chained(sample, ranges, pattern, BLOCK, lambda data: counted(key, iv, data))
        case "cbc1":
            return _chained(sample, ranges, (0, 0), BLOCK, lambda data: chained(key, iv, data))
        case "cbcs":  # every range begins anew
            own = [_chained(sample, [one], pattern, BLOCK, lambda data: chained(key, iv, data))
                   for one in ranges]  # fmt: skip
            return sum(own)


def chained(key: bytes, iv: bytes, data: bytes) -> bytes:
    """Whole blocks in CBC, decrypted."""
    decryptor = Cipher(AES(key), CBC(iv)).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def counted(key: bytes, iv: bytes, data: bytes) -> bytes:
    """CTR with a counter of 64 bits, which begins anew without a carry (9.3)."""
    iv = iv.ljust(BLOCK, b"\0")
    until = ((1 << 64) - int.from_bytes(iv[8:])) * BLOCK
    made = b""
    for part, start in ((data[:until], iv), (data[until:], iv[:8] + bytes(8))):
        if part:
            decryptor = Cipher(AES(key), CTR(start)).decryptor()
            made += decryptor.update(part) + decryptor.finalize()
    return made


def _chained(
    sample: bytearray,
    ranges: Ranges,
    pattern: Pattern,
    unit: int,
    decrypt: Callable[[bytes], bytes],
) -> int:
    """Decrypt what is encrypted of all ranges as one message."""
    locked = [_taken(sample, start, end, pattern, unit) for start, end in ranges]
    clear, place = decrypt(b"".join(locked)), 0
    for (start, _), part in zip(ranges, locked, strict=True):
        _put(sample, start, pattern, clear[place : place + len(part)])
        place += len(part)
    return place


def _taken(sample: bytearray, start: int, end: int, pattern: Pattern, unit: int) -> bytes:
    """What is encrypted of a range; a rest that makes no whole unit is in the clear."""
    crypt, skip = (BLOCK * blocks for blocks in pattern)
    if not crypt or not skip:
        return bytes(sample[start : end - (end - start) % unit])
    number, rest = divmod(end - start, crypt + skip)
    last = start + number * (crypt + skip)
    rest = min(crypt, rest - rest % BLOCK)
    found = bytearray(number * crypt)
    for byte in range(crypt):  # the same byte of all periods at once
        found[byte::crypt] = sample[start + byte : last : crypt + skip]
    return bytes(found + sample[last : last + rest])


def _put(sample: bytearray, start: int, pattern: Pattern, clear: bytes) -> None:
    """The way back."""
    crypt, skip = (BLOCK * blocks for blocks in pattern)
    if not crypt or not skip:
        sample[start : start + len(clear)] = clear
        return
    number, rest = divmod(len(clear), crypt)
    last = start + number * (crypt + skip)
    for byte in range(crypt if number else 0):
        sample[start + byte : last : crypt + skip] = clear[byte : number * crypt : crypt]
    sample[last : last + rest] = clear[number * crypt :]
