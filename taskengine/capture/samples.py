"""Files of samples as they are: silence, and parts that are put over it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

PIECE: Final = 1 << 20  # bytes


def chosen(start: int, number: int, rate: int) -> str:
    """The filter that gives so many samples; a decoder drops what comes first of a file, silence
    stands for it."""
    return (
        f"aresample={rate},asettb=1/{rate},atrim=start_pts={start}:end_pts={start + number},"
        f"asetpts=PTS-{start},aresample=async=1:first_pts=0,"
        f"apad=whole_len={number},atrim=end_sample={number}"
    )


def make_silence(path: Path, size: int) -> None:
    """So many bytes that are zero. Blocking."""
    with path.open("wb") as file:
        file.truncate(size)


def put(part: Path, target: Path, offset: int) -> None:
    """Copy a part over the silence, not beyond it."""
    with part.open("rb") as made, target.open("r+b") as file:
        size = target.stat().st_size
        file.seek(offset)
        while (left := size - file.tell()) > 0 and (data := made.read(min(PIECE, left))):
            file.write(data)
    part.unlink()


def appended(parts: Sequence[Path]) -> Path:
    """One file of all samples, the first one. Blocking."""
    with parts[0].open("ab") as file:
        for part in parts[1:]:
            with part.open("rb") as source:
                while data := source.read(PIECE):
                    file.write(data)
            part.unlink()
    return parts[0]
