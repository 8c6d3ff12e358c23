"""SQL by name: `sql/*.sql`, each statement under its `-- name:` line."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def queries() -> dict[str, str]:
    """All statements of the store."""
    found: dict[str, str] = {}
    for file in files("taskengine.store").joinpath("sql").iterdir():
        if file.name.endswith(".sql"):
            _, *parts = _NAME.split(file.read_text("utf-8"))
            found |= dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))
    return found


def migrations() -> list[tuple[int, str, str]]:
    """Number, name and text of each migration, in order."""
    folder = files("taskengine.store").joinpath("sql/migrations")
    named = sorted((file.name, file.read_text("utf-8")) for file in folder.iterdir())
    return [(int(name[:4]), name.removesuffix(".sql"), text) for name, text in named]
