"""Whose folders are whose: each client but the first has roots of its own below the common ones.

The option `roots` of a client holds its folders on the local storage by root key, and those on
another storage by the label of that: `roots.S3.output_root`. A client that has such an option works
below `<root>/<client>` of every other storage for which it says nothing.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
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


def own_roots(client: str, common: Mapping[str, str]) -> JsonObject:
    """The roots of a client that is not to reach those of others, by root key."""
    name = folder_name(client)
    return {key: f"{folder}/{name}" if folder else name for key, folder in common.items()}


def roots_on(
    storage: str, client: str, options: JsonObject, common: Mapping[str, str]
) -> Mapping[str, str]:
    """The folders of a client on a storage by root key; `common` are the storage's."""
    given: JsonObject = options.get("roots") or {}
    if storage == "local":
        return {**common, **_folders(given)}
    apart = own_roots(client, common) if given else common
    return {**apart, **_folders(given.get(storage) or {})}


def _folders(given: JsonObject) -> Mapping[str, str]:
    return {key: folder for key, folder in given.items() if isinstance(folder, str)}


def warn_of_common_roots(clients: Iterable[Client], common: Mapping[str, str]) -> None:
    """Where several clients work in the same folders, each can read and change all of it."""
    if names := on_the_same_roots(clients, common):
        logger.warning(
            "the clients %s work in the same folders, and so reach each other's files; a client "
            "gets roots of its own by: taskengine client set NAME roots.input_root=FOLDER "
            "roots.output_root=FOLDER",
            ", ".join(names),
        )


def on_the_same_roots(clients: Iterable[Client], common: Mapping[str, str]) -> list[str]:
    """The names of clients that have a root of the local storage in common with another. Who has
    roots of its own there has some on every other storage."""
    users: dict[str, set[str]] = {}
    for client in clients:
        for folder in roots_on("local", client.name, client.options, common).values():
            users.setdefault(folder, set()).add(client.name)
    return sorted(set().union(*(names for names in users.values() if len(names) > 1)))


def is_foreign(root: str, folder: str, roots: Iterable[str]) -> bool:
    """Whether a folder of a root reaches into one of these roots of others, below that one."""
    here, top = _parts(folder), _parts(root)
    below = [foreign for foreign in map(_parts, roots) if len(foreign) > len(top)]
    return any(
        foreign[: len(top)] == top and foreign[: len(here)] == here[: len(foreign)]
        for foreign in below
    )


def _parts(path: str) -> tuple[str, ...]:
    """In small letters: a file system may not tell them from capitals."""
    return PurePosixPath(path.casefold()).parts
