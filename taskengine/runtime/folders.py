"""Folders that the engine makes are its own: films, keys and work in progress are nobody else's.

A folder that is there already keeps its rights. So whoever is to share one, such as a web server,
is let in by whoever makes that folder.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o700
PASSABLE: Final = 0o711  # as root: the embedded database has another user, who has to get through


def make_private(folder: Path, mode: int = PRIVATE) -> None:
    """Make a folder, and those above it, where there is none."""
    if not folder.is_dir():
        make_private(folder.parent, mode)
        with suppress(FileExistsError):
            folder.mkdir(PRIVATE)
            folder.chmod(mode)  # whatever the umask is


def make_data_folder(folder: Path) -> None:
    """Make the folder of the embedded servers and all else."""
    make_private(folder, PASSABLE if os.geteuid() == 0 else PRIVATE)
