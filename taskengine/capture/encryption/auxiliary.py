"""What is said of each sample of a fragment: its group, its IV, and which bytes are encrypted.

In `senc`, or where `saiz` and `saio` say (ISO/IEC 23001-7, 7); `sbgp` names groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Final, TypeAlias

from taskengine.capture.encryption.boxes import Box, Data, hide, placed, read, whole
from taskengine.capture.encryption.protection import (
    SampleProtection,
    TrackProtection,
    piff,
    read_groups,
)

MAX_SAID: Final = 16 << 20  # bytes
TOO_MUCH: Final = "more is said of samples than is read"
PIFF_SAMPLES: Final = bytes.fromhex("a2394f525a9b4f14a2446c427c648df4")
Entry: TypeAlias = SampleProtection | None  # None: in the clear
OVERRIDE, SUBSAMPLES = 1, 2  # flags
OWN_GROUPS: Final = 0x10000  # indexes above are of groups in the fragment itself
HIDDEN: Final = frozenset({b"senc", b"saiz", b"saio"})


@dataclass(frozen=True, slots=True)
class Info:
    """Of one sample. `parts` are pairs of clear and encrypted bytes; None: all are encrypted."""

    protection: Entry
    iv: bytes = b""
    parts: tuple[tuple[int, int], ...] | None = None

    @property
    def is_clear(self) -> bool:
        """A fragment in the clear has no IVs."""
        return not self.iv

    def ranges(self, length: int) -> list[tuple[int, int]]:
        """Where encrypted bytes are. Raises ValueError if they are more than the sample has."""
        if self.parts is None:
            return [(0, length)]
        ends = list(accumulate(clear + locked for clear, locked in self.parts))
        if ends and ends[-1] > length:
            raise ValueError("a sample with more encrypted bytes than it has")
        pairs = zip(ends, self.parts, strict=True)
        return [(end - locked, end) for end, (_, locked) in pairs if locked]


def infos(
    data: Data,
    moof: Box,
    traf: Box,
    track: TrackProtection,
    entry: Entry,
    number: int,
) -> list[Info]:
    """Of each sample of a track's fragment; all that says so becomes free. Raises ValueError."""
    protections = _protections(data, traf, track, entry, number)
    found = _listed(data, traf, protections)
    if found is None:
        found = _elsewhere(data, moof, traf, protections)
    for box in placed(data, traf.start, traf.end):
        is_list = box.kind == b"uuid" and data[box.start : box.start + 16] == PIFF_SAMPLES
        if box.kind in HIDDEN or is_list:
            hide(data, box)
    rest = (_default(one) for one in protections[len(found) :])
    return [*found, *rest]


def _default(protection: Entry) -> Info:
    """Of a sample of which nothing is said."""
    return Info(protection, protection.constant_iv if protection else b"")


def _protections(
    data: Data, traf: Box, track: TrackProtection, entry: Entry, number: int
) -> list[Entry]:
    """By the group of each sample; one that has none is as its description says."""
    scheme = entry.scheme if entry else "cenc"
    own = tuple(read_groups(data, traf, scheme))
    found: list[Entry] = []
    for box in placed(data, traf.start, traf.end):
        if box.kind == b"csgp" and b"seig" in data[box.start : box.start + 8]:
            raise ValueError("compact sample groups of encryption")
        if box.kind != b"sbgp" or read(data, box.start + 4, 4, box.end) != b"seig":
            continue
        place = box.start + (12 if whole(data, box.start, ">B") else 8)
        for at in islice(range(place + 4, box.end - 7, 8), whole(data, place)):
            count, index = whole(data, at), whole(data, at + 4)
            one = _group(index, own, track, entry)
            found += [one] * min(count, number - len(found))
        hide(data, box)
    return found + [entry] * (number - len(found))


def _group(
    index: int,
    own: Sequence[SampleProtection],
    track: TrackProtection,
    entry: Entry,
) -> Entry:
    groups, place = (own, index - OWN_GROUPS) if index > OWN_GROUPS else (track.groups, index)
    if index == 0:
        return entry
    if not 0 < place <= len(groups):
        raise ValueError(f"a sample of group {index}, which is not there")
    return groups[place - 1]


def _listed(data: Data, traf: Box, protections: list[Entry]) -> list[Info] | None:
    """Of `senc`, or what PIFF had for it; None if there is none."""
    for box in placed(data, traf.start, traf.end):
        place = box.start
        if box.kind == b"uuid" and data[place : place + 16] == PIFF_SAMPLES:
            place += 16
        elif box.kind != b"senc":
            continue
        if box.end - box.start > MAX_SAID:
            raise ValueError(TOO_MUCH)
        flags = whole(data, place) & 0xFFFFFF
        place += 4
        if box.kind == b"uuid" and flags & OVERRIDE:
            said = piff(data, place, box.end)
            protections[:] = [said] * len(protections)
            place += 20
        count = whole(data, place)
        if count > len(protections):
            raise ValueError("more is said of samples than there are")
        has_parts = bool(flags & SUBSAMPLES)
        return list(_sequence(data, place + 4, box.end, protections[:count], has_parts))
    return None


def _sequence(
    data: Data,
    place: int,
    end: int,
    protections: Sequence[Entry],
    has_parts: bool,
) -> Iterator[Info]:
    for protection in protections:
        size = protection.iv_size if protection else 0
        iv = read(data, place, size, end)
        place += size
        parts = None
        if has_parts:
            parts, place = _parts(data, place, end)
        yield Info(protection, iv or (protection.constant_iv if protection else b""), parts)


def _parts(data: Data, place: int, end: int) -> tuple[tuple[tuple[int, int], ...], int]:
    number = whole(data, place, ">H")
    rows = read(data, place + 2, 6 * number, end)
    parts = tuple(
        (int.from_bytes(rows[at : at + 2]), int.from_bytes(rows[at + 2 : at + 6]))
        for at in range(0, len(rows), 6)
    )
    return parts, place + 2 + len(rows)


def _elsewhere(data: Data, moof: Box, traf: Box, protections: Sequence[Entry]) -> list[Info]:
    """Where `saio` points to, in pieces as long as `saiz` says; nothing if there are none."""
    by_kind = {box.kind: box for box in placed(data, traf.start, traf.end)}
    sizes, offsets = by_kind.get(b"saiz"), by_kind.get(b"saio")
    if sizes is None or offsets is None:
        return []
    lengths = _lengths(data, sizes, len(protections))
    if sum(lengths) > MAX_SAID:
        raise ValueError(TOO_MUCH)
    place = offsets.start + 4 + (8 if whole(data, offsets.start) & 1 else 0)
    layout = ">Q" if whole(data, offsets.start, ">B") else ">I"
    if whole(data, place) != 1:
        raise ValueError("what is said of samples lies in several places")
    at = moof.head + whole(data, place + 4, layout)
    found = []
    for protection, length in zip(protections, lengths, strict=False):
        if not length:
            found.append(Info(None))
            continue
        has_parts = protection is not None and length > protection.iv_size
        found += _sequence(data, at, at + length, [protection], has_parts)
        at += length
    return found


def _lengths(data: Data, box: Box, limit: int) -> list[int]:
    place = box.start + 4 + (8 if whole(data, box.start) & 1 else 0)
    default, number = whole(data, place, ">B"), whole(data, place + 1)
    if number > limit:
        raise ValueError("more is said of samples than there are")
    return [default] * number if default else list(read(data, place + 5, number, box.end))
