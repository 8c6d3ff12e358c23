"""Places below allowed roots that stay what they were when they were checked.

A path is looked up anew each time it is used: whoever can write into a root may put a link in the
place of a folder that was checked a moment ago. So the folder is opened, the opened one is checked,
and what is done in it goes through its descriptor.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import Final

from taskengine.model import BadInput

FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe in its place holds nobody up
NO_LINK: Final = frozenset(  # why a file system makes no second name for a file
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOENT, errno.EOPNOTSUPP}
)


@dataclass(frozen=True, slots=True)
class Area:
    """The files and folders below some roots; of a part of another area only what is in that."""

    roots: Sequence[Path]
    whole: Area | None = None

    def resolved(self) -> Sequence[Path]:
        found = [real(root) for root in self.roots]
        if self.whole is None:
            return found
        around = self.whole.resolved()
        return [one for one in found if any(one.is_relative_to(root) for root in around)]

    def allows(self, path: Path) -> bool:
        return any(real(path).is_relative_to(root) for root in self.resolved())

    @contextmanager
    def inside(self, folder: Path) -> Iterator[Path]:
        """The folder itself, as a path that leads to no other one for the length of the block."""
        descriptor = os.open(folder, FOLDER)
        try:
            self._check(descriptor, folder)
            yield Path(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)

    @contextmanager
    def pinned(self, path: Path) -> Iterator[Path]:
        """The path in a folder that is pinned so; what is there under its name is left open."""
        with self.inside(path.parent) as folder:
            yield folder / path.name

    def make(self, folder: Path) -> None:
        """Make a folder, and those above it, where there is none."""
        if folder in self.resolved():
            folder.mkdir(parents=True, exist_ok=True)
        elif not folder.is_dir():
            self.make(folder.parent)
            with self.pinned(folder) as place, suppress(FileExistsError):
                place.mkdir()

    def open_file(self, path: Path) -> int:
        """The descriptor of a file, to read it. Raises OSError if it is none."""
        with self.pinned(path) as place:
            descriptor = os.open(place, FILE)
        try:
            self._check(descriptor, path)
            if not S_ISREG(os.fstat(descriptor).st_mode):
                raise FileNotFoundError(errno.ENOENT, "no file", str(path))
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def lend(self, path: Path, target: Path) -> None:
        """Another name for a file, which goes on to be that file whatever becomes of the first
        one; on another file system a link. Raises FileNotFoundError if it is no file."""
        with self.pinned(path) as place, _opened(place) as descriptor:
            self._check(descriptor, path)
            opened = f"/proc/self/fd/{descriptor}"
            if not S_ISREG(os.fstat(descriptor).st_mode):
                raise FileNotFoundError(errno.ENOENT, "no file", str(path))
            try:  # with a folder's descriptor, else Python links the link
                os.link(opened, target, src_dir_fd=descriptor, follow_symlinks=True)
            except OSError as error:
                if error.errno not in NO_LINK:
                    raise
                target.symlink_to(os.readlink(opened))

    def _check(self, descriptor: int, asked: Path) -> None:
        found = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if not any(found.is_relative_to(root) for root in self.resolved()):
            raise BadInput(f"{asked}: not within the folders of the local storage")


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, FILE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def real(path: Path) -> Path:
    """Without links. Path.resolve() fails on a link to itself; this leaves it as it is."""
    return Path(os.path.realpath(path))


def sync(path: Path) -> None:
    """Have it on disk: what the store says is done must outlast a crash of the host."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def utf8_name(path: PurePosixPath) -> str:
    """A name that can be stored and sent. Raises BadInput for other bytes."""
    name = path.as_posix()
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = ascii(os.fsencode(name))[2:-1]
        raise BadInput(f"the name of a file is no UTF-8, rename or remove it: {shown}") from None
    return name
