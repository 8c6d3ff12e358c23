"""The version before this one, out of the history: what runs beside it during an upgrade."""

from __future__ import annotations

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

MIGRATIONS = "taskengine/store/sql/migrations"
PARTS = ("taskengine", "config")


class NoFormerVersion(Exception):
    """The history does not reach back to it; the message says what to do."""


def former_commit(root: Path) -> str:
    """The last release if the present version has changed since then; else, the commit before the
    newest migration came: with it the two versions have different schemas. Raises
    NoFormerVersion."""
    if _git(root, "rev-parse", "--is-shallow-repository") != "false":
        raise NoFormerVersion(
            "this clone has no history, or only the last commits: `git fetch --unshallow --tags`"
        )
    if tag := _git(root, "describe", "--tags", "--abbrev=0", "HEAD^"):
        return tag
    newest = max(path.name for path in (root / MIGRATIONS).glob("[0-9]*.sql"))
    added = ("log", "--diff-filter=A", "--format=%H", "--", f"{MIGRATIONS}/{newest}")
    if commits := _git(root, *added).split():
        return f"{commits[-1]}^"
    return "HEAD"  # the newest migration is not committed yet


def former_tree(root: Path, folder: Path, commit: str | None = None) -> Path:
    """The program of that commit, or of the one before the newest migration, below a folder. Raises
    NoFormerVersion."""
    archive = subprocess.run(
        ["git", "-C", root, "archive", commit or former_commit(root), *PARTS],
        capture_output=True,
        check=False,
    )
    if archive.returncode != 0:
        raise NoFormerVersion(f"git cannot give it: {archive.stderr.decode().strip()}")
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def _git(root: Path, *arguments: str) -> str:
    """What git says; nothing where it fails."""
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
