"""Whether an MP4 is whole, by its boxes: tools read half a file of fragments without a word."""

from __future__ import annotations

from pathlib import Path

import trio

from taskengine.media.boxes import file_boxes
from taskengine.model import PermanentFailure

MEDIA = frozenset({b"moof", b"mdat", b"moov"})


async def check_boxes(path: Path, label: str) -> None:
    """Raises PermanentFailure, with the file's label, if its last box says more than there is."""
    await trio.to_thread.run_sync(_check, path, label)


def _check(path: Path, label: str) -> None:
    size = path.stat().st_size
    seen = set()
    try:
        with path.open("rb") as file:
            for kind, *_ in file_boxes(file, size):
                seen.add(kind)
    except ValueError as error:
        if b"moof" in seen or not seen:  # other files may have rubbish at their end
            raise PermanentFailure(f"{label} is cut off, or damaged at its end: {error}") from None
