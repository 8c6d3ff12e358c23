"""Files of the local storage that are not whole yet, and what killed writers left of them."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".part-"  # how the names of files begin that are not whole yet; never listed


@contextmanager
def part_beside(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A file that is not whole yet, under a lock; removed if it is still there at the end."""
    while True:
        part = target.with_name(f"{TEMPORARY}{uuid.uuid4()}")
        with part.open("xb") as writer:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(writer, fcntl.LOCK_EX)
            if os.fstat(writer.fileno()).st_nlink == 0:  # taken for a leftover
                continue
            try:
                yield part, writer
            finally:
                part.unlink(missing_ok=True)
            return


def remove_leftovers(folder: Path) -> None:
    """Files that are not whole and never will be: the lock of a killed writer is free."""
    for part in folder.glob(f"{TEMPORARY}*"):
        with suppress(OSError), part.open("r+b") as left:
            fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
