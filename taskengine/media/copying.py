"""Copying a stretch of one file behind another, by the system: the bytes never come up here."""

from __future__ import annotations

import os
from typing import BinaryIO, Final

from taskengine.media.probe import OutputWrong

PIECE: Final = 8 << 20  # bytes at once


def append(source: BinaryIO, place: int, size: int, target: BinaryIO) -> None:
    """Blocking. Raises OutputWrong where the source ends before."""
    target.flush()
    while size > 0:
        sent = os.sendfile(target.fileno(), source.fileno(), place, min(size, PIECE))
        if not sent:
            raise OutputWrong(f"{source.name} says more than it has")
        place, size = place + sent, size - sent
    target.seek(0, os.SEEK_END)
