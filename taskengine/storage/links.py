"""Further names for files of the local storage: hard links, which the file system counts."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Final

import trio

from taskengine.storage import FenceCheck, FileNotStored, StorageRefused, unfenced
from taskengine.storage.fencing import pass_fence
from taskengine.storage.parts import TEMPORARY
from taskengine.storage.pinned import Area, sync

NO_LINKS: Final = frozenset({errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP})

Pair = tuple[str, str]  # a key, and another one for the same file


def link_files(
    area: Area, locate: Callable[[str], Path], pairs: Sequence[Pair], fence: FenceCheck
) -> None:
    """Blocking. The fence is asked once for all: a link alone shows nothing to anybody."""
    if fence is not unfenced:
        trio.from_thread.run(pass_fence, fence)
    for (source, target), group in groupby(sorted(pairs), _folders):
        area.make(locate(target))
        try:
            with area.inside(locate(source)) as old, area.inside(locate(target)) as new:
                _link_group(old, new, list(group))
                with suppress(OSError):  # some network file systems cannot
                    sync(new)
        except FileNotFoundError:
            raise FileNotStored(f"{source}: no such folder") from None


def _folders(pair: Pair) -> Pair:
    return str(PurePosixPath(pair[0]).parent), str(PurePosixPath(pair[1]).parent)


def _link_group(old: Path, new: Path, group: Sequence[Pair]) -> None:
    """Of files of one folder, into one folder."""
    for source, target in group:
        trio.from_thread.check_cancelled()
        try:
            _link(old / PurePosixPath(source).name, new / PurePosixPath(target).name)
        except FileNotFoundError:
            raise FileNotStored(f"{source}: no such file") from None
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            raise StorageRefused(f"{source} can have no link {target}: {error.strerror}") from None


def _link(source: Path, target: Path) -> None:
    """In the place of what is there."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        if os.path.samestat(source.lstat(), target.lstat()):
            return
        part = target.with_name(f"{TEMPORARY}{uuid.uuid4()}")
        os.link(source, part, follow_symlinks=False)
        os.replace(part, target)
