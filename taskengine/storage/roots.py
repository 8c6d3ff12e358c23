"""Whose folders are whose: each client but the first has roots of its own below the common ones."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from taskengine.model import Client, JsonObject

logger = logging.getLogger(__name__)

PLAIN: Final = re.compile(r"[a-z0-9_-]|(?<!^)\.(?!$)")  # kept in the name of a folder
ESCAPE: Final = "~"  # then two hexadecimal digits for each byte of UTF-8
LONGEST: Final = 200  # characters; file systems take 255


def folder_name(client: str) -> str:
    """A client's name as that of a folder: no two clients have one, not even where file systems
    take capitals for small letters, or one way to write an accent for another."""
    name = "".join(_escaped(client))
    if len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(client.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{name[: LONGEST // 2]}{ESCAPE}{ESCAPE}{digest[:32]}"


def _escaped(text: str) -> Iterator[str]:
    for place, character in enumerate(text):
        if PLAIN.match(text, place):
            yield character
        else:
            raw = character.encode("utf-8", "surrogatepass")
            yield "".join(f"{ESCAPE}{byte:02x}" for byte in raw)


def own_roots(client: str, common: Mapping[str, Path]) -> JsonObject:
    """The roots of a client that is not to reach those of others, by root key."""
    return {key: str(folder / folder_name(client)) for key, folder in common.items()}


def warn_of_common_roots(clients: Iterable[Client], common: Mapping[str, Path]) -> None:
    """Where several clients work in the same folders, each can read and change all of it."""
    if names := on_the_same_roots(clients, common):
        logger.warning(
            "the clients %s work in the same folders, and so reach each other's files; a client "
            "gets roots of its own by: taskengine client set NAME roots.input_root=FOLDER "
            "roots.output_root=FOLDER",
            ", ".join(names),
        )


def on_the_same_roots(clients: Iterable[Client], common: Mapping[str, Path]) -> list[str]:
    """The names of clients that have a root in common with another."""
    users: dict[str, set[str]] = {}
    for client in clients:
        roots = {key: str(folder) for key, folder in common.items()}
        for folder in (roots | client.options.get("roots", {})).values():
            users.setdefault(folder, set()).add(client.name)
    return sorted(set().union(*(names for names in users.values() if len(names) > 1)))


def is_foreign(root: str, folder: str, others: Sequence[Client]) -> bool:
    """Whether a folder of a root reaches into a root that another client has below that one."""
    here, top = _parts(folder), _parts(root)
    roots = [root for one in others for root in one.options.get("roots", {}).values()]
    below = [foreign for foreign in map(_parts, roots) if len(foreign) > len(top)]
    return any(
        foreign[: len(top)] == top and foreign[: len(here)] == here[: len(foreign)]
        for foreign in below
    )


def _parts(path: str) -> tuple[str, ...]:
    """In small letters: a file system may not tell them from capitals."""
    return PurePosixPath(path.casefold()).parts
