"""Advisory locks on files: the kernel releases them whatever way a process ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXCLUSIVE = fcntl.LOCK_EX
SHARED = fcntl.LOCK_SH


def try_lock(path: Path, mode: int) -> int | None:
    """Return a descriptor that holds the lock until it is closed, None while others refuse it."""
    descriptor = open_lock(path)
    held = False
    try:
        held = take(descriptor, mode)
        return descriptor if held else None
    finally:
        if not held:
            os.close(descriptor)


def open_lock(path: Path) -> int:
    """Open the file without a lock; child processes do not inherit it."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def take(descriptor: int, mode: int) -> bool:
    """Lock an open file; false while others refuse it."""
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def lock_now(path: Path, mode: int) -> Iterator[bool]:
    """Hold the lock within the block; false if others refuse it."""
    descriptor = try_lock(path, mode)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def is_free(path: Path, mode: int) -> bool:
    """Tell whether the lock could be had at this moment."""
    with lock_now(path, mode) as held:
        return held
