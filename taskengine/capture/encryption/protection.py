"""How the samples of a track are encrypted: read of an initialization, which becomes a clear one.

`sinf` and `tenc` of a sample entry (ISO/IEC 14496-12, 8.12; 23001-7, 8.2), sample groups `seig`
(23001-7, 6), and the boxes that PIFF had for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from taskengine.capture.encryption.boxes import Box, Data, hide, path, placed, read, whole, within
from taskengine.capture.encryption.ciphers import SCHEMES, Pattern, Scheme

PIFF_TRACK: Final = bytes.fromhex("8974dbce7be74c5184f97148f9882554")
PIFF_SYSTEM: Final = bytes.fromhex("d08a4f1810f34a82b6c832d8aba183d3")
PIFF_SCHEMES: Final[Mapping[int, Scheme]] = {1: "cenc", 2: "cbc1"}  # by algorithm
LOCKED: Final = frozenset({b"encv", b"enca", b"enct", b"encs", b"encu", b"encm", b"enc3"})
IV_SIZES: Final = frozenset({0, 8, 16})
MAX_ENTRIES: Final = 1000  # of a table


@dataclass(frozen=True, slots=True)
class SampleProtection:
    """Of samples."""

    scheme: Scheme
    is_protected: bool = True
    iv_size: int = 8  # bytes of the IV that each sample has; 0: all have the constant one
    key_id: bytes = bytes(16)
    constant_iv: bytes = b""
    pattern: Pattern = (0, 0)


@dataclass(frozen=True, slots=True)
class TrackProtection:
    """Of a track. `entries` are by sample description, None where it is clear; `groups` by their
    index, which counts from 1."""

    entries: tuple[SampleProtection | None, ...] = ()
    groups: tuple[SampleProtection, ...] = ()
    kind: bytes = b""  # the handler: `vide`, `soun`, …
    codec: bytes = b""
    sample_size: int = 0  # of fragments that do not say theirs
    description: int = 1
    is_one: bool = False  # its descriptions are the same once they are clear

    @property
    def is_locked(self) -> bool:
        return any(self.entries)

    @property
    def is_media(self) -> bool:
        return self.kind in (b"vide", b"soun")


Tracks = Mapping[int, TrackProtection]


def clear_header(data: Data) -> Tracks:
    """How the tracks of a header (`moov`) are encrypted; the header says they are not any more.
    Raises ValueError for what cannot be read."""
    tracks: dict[int, TrackProtection] = {}
    for box in placed(data):
        if box.kind == b"moov":
            hide_systems(data, box)
            found = dict(_track(data, trak) for trak in within(data, box, b"trak"))
            tracks |= {one: _extended(data, box, one, found[one]) for one in found}
    return tracks


def hide_systems(data: Data, box: Box) -> None:
    """The boxes of key systems directly in another."""
    for one in placed(data, box.start, box.end):
        if one.kind == b"pssh" or _is_uuid(data, one, PIFF_SYSTEM):
            hide(data, one)


def _is_uuid(data: Data, box: Box, uuid: bytes) -> bool:
    return box.kind == b"uuid" and data[box.start : box.start + 16] == uuid


def _track(data: Data, trak: Box) -> tuple[int, TrackProtection]:
    header = path(data, trak, b"tkhd")
    table = path(data, trak, b"mdia", b"minf", b"stbl")
    described = path(data, table, b"stsd") if table else None
    if header is None or table is None or described is None:
        raise ValueError("a track without its boxes")
    long = whole(data, header.start, ">B") == 1
    number = whole(data, header.start + (20 if long else 12))
    entries = list(placed(data, described.start + 8, described.end))[:MAX_ENTRIES]
    read_entries = [_entry(data, one) for one in entries]
    protections = tuple(protection for protection, _ in read_entries)
    scheme: Scheme = next((one.scheme for one in protections if one), "cenc")
    groups = tuple(read_groups(data, table, scheme))
    is_one = len(entries) > 1 and len({content for _, content in read_entries}) == 1
    if is_one:
        data[described.start + 4 : described.start + 8] = (1).to_bytes(4)
    handler = path(data, trak, b"mdia", b"hdlr")
    kind = read(data, handler.start + 8, 4, handler.end) if handler else b""
    codec = read_entries[0][1][:4] if read_entries else b""
    return number, TrackProtection(protections, groups, kind, codec, is_one=is_one)


def _entry(data: Data, entry: Box) -> tuple[SampleProtection | None, bytes]:
    """How samples of an entry are encrypted, and the entry as it is without that."""
    if entry.kind not in LOCKED:
        return None, bytes(data[entry.head + 4 : entry.end])
    info = _info(data, entry)
    original = path(data, info, b"frma")
    if original is None:
        raise ValueError("an encrypted track does not say what it is")
    protection = _protection(data, info)
    data[entry.head + 4 : entry.head + 8] = read(data, original.start, 4, original.end)
    hide(data, info)
    clear = bytes(data[entry.head + 4 : info.head]) + bytes(data[info.end : entry.end])
    return protection, clear


def _info(data: Data, entry: Box) -> Box:
    """`sinf`; what stands before it depends on the kind of track, and on its age."""
    place = data.find(b"sinf", entry.start, entry.end)
    if place < entry.start + 4:
        raise ValueError("an encrypted track does not say how")
    size = whole(data, place - 4)
    if size < 8 or place - 4 + size > entry.end:
        raise ValueError("an encrypted track does not say how")
    return next(placed(data, place - 4, place - 4 + size))


def _protection(data: Data, info: Box) -> SampleProtection:
    kind = path(data, info, b"schm")
    scheme = read(data, kind.start + 4, 4, kind.end).decode("latin-1") if kind else ""
    details = path(data, info, b"schi")
    for box in placed(data, details.start, details.end) if details else ():
        if box.kind == b"tenc" and scheme in SCHEMES:
            return _common(data, box, scheme)
        if _is_uuid(data, box, PIFF_TRACK):
            return piff(data, box.start + 20, box.end)
    raise ValueError(f"its scheme of encryption is {scheme!r}, known are {', '.join(SCHEMES)}")


def _common(data: Data, box: Box, scheme: Scheme) -> SampleProtection:
    pattern = whole(data, box.start + 5, ">B") if whole(data, box.start, ">B") else 0
    return _settings(data, box.start + 6, box.end, scheme, pattern)[0]


def _settings(
    data: Data, place: int, end: int, scheme: Scheme, pattern: int
) -> tuple[SampleProtection, int]:
    """What `tenc` and `seig` both say, from isProtected on; and where it ends."""
    is_protected, iv_size = read(data, place, 2, end)
    key_id, after = read(data, place + 2, 16, end), place + 18
    constant = b""
    if iv_size not in IV_SIZES:
        raise ValueError(f"an IV of {iv_size} bytes")
    if is_protected and not iv_size:
        length = whole(data, after, ">B")
        constant, after = read(data, after + 1, length, end), after + 1 + length
        if len(constant) not in IV_SIZES or not constant:
            raise ValueError(f"an IV of {length} bytes")
    crypt_skip = (pattern >> 4, pattern & 15)
    found = SampleProtection(scheme, bool(is_protected), iv_size, key_id, constant, crypt_skip)
    return found, after


def piff(data: Data, place: int, end: int) -> SampleProtection:
    """What PIFF says of a track, or in its place of a fragment."""
    algorithm = int.from_bytes(read(data, place, 3, end))
    [iv_size] = read(data, place + 3, 1, end)
    if algorithm and (algorithm not in PIFF_SCHEMES or iv_size not in IV_SIZES - {0}):
        raise ValueError(f"it is encrypted by algorithm {algorithm}, known are 1 and 2")
    scheme = PIFF_SCHEMES.get(algorithm, "cenc")
    key_id = read(data, place + 4, 16, end)
    return SampleProtection(scheme, algorithm != 0, iv_size, key_id)


def read_groups(data: Data, box: Box, scheme: Scheme) -> Iterator[SampleProtection]:
    """The descriptions of `seig` groups in a table or a fragment; their boxes become free."""
    for one in placed(data, box.start, box.end):
        if one.kind == b"sgpd" and read(data, one.start + 4, 4, one.end) == b"seig":
            yield from _group(data, one, scheme)
            hide(data, one)


def _group(data: Data, box: Box, scheme: Scheme) -> Iterator[SampleProtection]:
    version = whole(data, box.start, ">B")
    length = whole(data, box.start + 8) if version == 1 else None
    place = box.start + (12 if version else 8)
    number = whole(data, place)
    place += 4
    if number > MAX_ENTRIES:
        raise ValueError(f"it has {number} sample groups")
    for _ in range(number):
        if length == 0:
            place += 4  # its own length, which it says by itself as well
        pattern = whole(data, place + 1, ">B")
        found, after = _settings(data, place + 2, box.end, scheme, pattern)
        place = place + length if length else after
        yield found


def _extended(data: Data, moov: Box, number: int, track: TrackProtection) -> TrackProtection:
    """With what `trex` says for fragments."""
    extends = path(data, moov, b"mvex")
    for box in within(data, extends, b"trex") if extends else ():
        if whole(data, box.start + 4) == number:
            description, size = whole(data, box.start + 8), whole(data, box.start + 16)
            if track.is_one:
                data[box.start + 8 : box.start + 12] = (1).to_bytes(4)
            return replace(track, sample_size=size, description=description)
    return track
