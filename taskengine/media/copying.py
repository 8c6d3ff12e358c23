"""Copying files behind one another, by the system: the bytes never come up here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from taskengine.media.parameter_sets import delimiter_size
from taskengine.media.probe import OutputWrong

PIECE: Final = 8 << 20  # bytes at once
START: Final = 5  # bytes of a sample that tell what it begins with


@dataclass(frozen=True, slots=True)
class Copied:
    """Bytes of a file, and what stands before them: behind the delimiter of their first sample."""

    path: Path
    place: int
    size: int
    before: bytes = b""


def concatenate(parts: Sequence[Path | None], target: Path) -> list[int]:
    """All parts in one file; the bytes of each, none of those that are None. Blocking."""
    sizes = []
    with target.open("wb") as made:
        for part in parts:
            before = made.tell()
            if part is not None:
                with part.open("rb") as source:
                    append(source, 0, part.stat().st_size, made)
            sizes.append(made.tell() - before)
    return sizes


def append(source: BinaryIO, place: int, size: int, target: BinaryIO) -> None:
    """A stretch of a file. Blocking. Raises OutputWrong where the source ends before."""
    target.flush()
    while size > 0:
        sent = os.sendfile(target.fileno(), source.fileno(), place, min(size, PIECE))
        if not sent:
            raise OutputWrong(f"{source.name} says more than it has")
        place, size = place + sent, size - sent
    target.seek(0, os.SEEK_END)


class Copying:
    """Bytes of many files, taken from one after the other; `entry` is the type of the samples. Its
    methods block, and raise OutputWrong where bytes are missing or left."""

    def __init__(self, ranges: Iterable[Copied], entry: bytes) -> None:
        self._ranges, self._entry = iter(ranges), entry
        self._current: Copied | None = None

    def append(self, size: int, target: BinaryIO) -> None:
        """The next so many bytes, with what stands before them."""
        while size > 0:
            one = self._current or next(self._ranges, None)
            if one is None:
                raise OutputWrong(f"{size} bytes are missing of what was to be copied")
            with one.path.open("rb") as source:
                done = self._put_before(one, source, target) if one.before else 0
                own = min(one.size - done, size - done - len(one.before))
                append(source, one.place + done, own, target)
            size -= done + len(one.before) + own
            done += own
            left = Copied(one.path, one.place + done, one.size - done)
            self._current = left if left.size else None

    def _put_before(self, one: Copied, source: BinaryIO, target: BinaryIO) -> int:
        """How many bytes of its first sample stand before that."""
        head = os.pread(source.fileno(), START, one.place)
        first = os.pread(source.fileno(), delimiter_size(self._entry, head), one.place)
        target.write(first + one.before)
        return len(first)

    def finish(self) -> None:
        if self._current is not None or next(self._ranges, None) is not None:
            raise OutputWrong("there is more than was to be copied")
