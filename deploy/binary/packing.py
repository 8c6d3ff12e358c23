"""A folder and a launcher that unpacks it, written as one program file."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PARTS = 4  # tars that are unpacked at the same time; reading them takes longer than writing
COMPRESSION = 6


def write_program(content: Path, launcher: str, output: Path) -> None:
    """Write the file. The same content makes the same bytes, and the same name in the cache."""
    paths = sorted(content.rglob("*"))
    folders = [path for path in paths if is_folder(path)]
    shares = [folders, *shared_out([path for path in paths if not is_folder(path)])]
    with ThreadPoolExecutor() as threads:
        tars = list(threads.map(lambda share: packed(share, content), shares))
    digest = hashlib.sha256(b"".join(tars)).hexdigest()[:16]
    draft = output.with_name(f"{output.name}.new")
    with draft.open("wb") as program:
        program.write(filled_in(launcher, digest, [len(tar) for tar in tars]))
        program.writelines(tars)
    draft.chmod(0o755)
    draft.replace(output)


def is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def shared_out(files: Iterable[Path]) -> list[list[Path]]:
    """Shares of about the same size."""
    shares: list[list[Path]] = [[] for _ in range(PARTS)]
    sizes = [0] * PARTS
    for file in sorted(files, key=lambda file: (-file.lstat().st_size, file)):
        lightest = sizes.index(min(sizes))
        shares[lightest].append(file)
        sizes[lightest] += file.lstat().st_size
    return shares


def packed(paths: Iterable[Path], content: Path) -> bytes:
    """A tar of these paths, compressed, without anybody's name or time."""

    def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        return member

    file = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", COMPRESSION, file, mtime=0) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w") as tar,
    ):
        for path in paths:
            tar.add(path, path.relative_to(content), recursive=False, filter=anonymous)
    return file.getvalue()


def filled_in(launcher: str, digest: str, sizes: list[int]) -> bytes:
    """The launcher, with the places of the tars: bytes from the end of the file, and how many."""
    ends = [sum(sizes[number:]) for number in range(len(sizes))]
    folders, *files = (f"{end}:{size}" for end, size in zip(ends, sizes, strict=True))
    text = launcher.replace("@DIGEST@", digest)
    return text.replace("@FOLDERS@", folders).replace("@FILES@", " ".join(files)).encode()
