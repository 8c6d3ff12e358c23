"""The index of a packaged file, `sidx` (ISO/IEC 14496-12, 8.16.3): how long its media lasts."""

from __future__ import annotations

import struct
from pathlib import Path

from taskengine.media.boxes import file_boxes

ROW = 12  # bytes of a subsegment


def indexed_duration(path: Path) -> float:
    """Seconds of all subsegments of a file with one index. Blocking. Raises ValueError."""
    with path.open("rb") as file:
        for kind, _, start, end in file_boxes(file, path.stat().st_size):
            if kind == b"sidx":
                file.seek(start)
                return _duration(file.read(end - start))
    raise ValueError("it has no index")


def _duration(index: bytes) -> float:
    try:
        [scale] = struct.unpack_from(">I", index, 8)
        place = 28 if index[0] else 20  # behind the first time and offset, of 8 bytes or of 4
        [count] = struct.unpack_from(">H", index, place + 2)
        rows = range(place + 4, place + 4 + ROW * count, ROW)
        ticks = sum(struct.unpack_from(">I", index, row + 4)[0] for row in rows)
        return float(ticks / scale)
    except (struct.error, IndexError, ZeroDivisionError):
        raise ValueError("its index cannot be read") from None
