"""Copying files behind one another, by the system: the bytes never come up here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from taskengine.media.probe import OutputWrong

PIECE: Final = 8 << 20  # bytes at once


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
