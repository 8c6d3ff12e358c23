"""Which files of a folder are an asset's own, by their names and by the records of assets. Pure.

Manifests name their content id (naming.py), media begin with it and a GUID (building.py), and what
was published is listed in the asset's record, `<content_id>.json`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from taskengine.media.naming import parse_name
from taskengine.media.streams import slug

GUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MANIFEST: Final = re.compile(
    rf"(?P<active>.+)_(?:drm|nodrm)_{GUID}(?:_aes)?\.(?:ism|m3u8|mpd)"
    rf"|[0-9]{{10}}_{GUID}_(?P<parked>.+?)(?:_aes)?(?:\.(?:m3u8|mpd))?\.(?:drm|nodrm)"
)
BESIDE: Final = ("_thumbnail.jpg", "_sprite.jpg", "_sprite.vtt", ".json", ".mp4")


@dataclass(frozen=True, slots=True)
class Left:
    """A file or a folder that is not deleted, and why."""

    name: str
    reason: str


def content_id_of(name: str, known: str | None = None) -> str | None:
    """Whose manifest a file is, that of a `known` asset if it can be; None if it is none."""
    file = PurePosixPath(name).name
    if known and parse_name(known, file):
        return known
    found = MANIFEST.fullmatch(file)
    return (found["active"] or found["parked"]) if found else None


def assets_by_folder(names: Iterable[str], known: str | None = None) -> dict[str, set[str]]:
    """The content ids of the assets that lie in each folder; the folder itself is `""`."""
    found: dict[str, set[str]] = {}
    for name in names:
        if (content_id := content_id_of(name, known)) is not None:
            found.setdefault(_folder(name), set()).add(content_id)
    return found


def split(
    names: Sequence[str], content_id: str | None, listed: Mapping[str, Collection[str]]
) -> tuple[list[str], list[Left]]:
    """What of a folder is an asset's own, and what is left to others.

    `listed` are the files, by content id, that the records in the folder list. Raises ValueError if
    it is not clear which asset is meant, or if it is none of those there.
    """
    by_folder = assets_by_folder(names, content_id)
    if listed:  # an asset may be an MP4 alone
        by_folder[""] = by_folder.get("", set()) | listed.keys()
    own = _own_id(by_folder, content_id)
    foreign = {folder for folder, ids in by_folder.items() if folder and not ids <= {own}}
    others = sorted(by_folder.get("", set()) - {own})
    mine: list[str] = []
    left: list[Left] = []
    for name in names:
        inside = next((one for one in foreign if name.startswith(f"{one}/")), None)
        other = next((one for one in others if _belongs(name, one, listed.get(one, ()))), None)
        if inside is not None:
            of = ", ".join(sorted(by_folder[inside]))
            left.append(Left(name, f"the folder {inside} holds the asset {of}"))
        elif other is not None:
            left.append(Left(name, f"it belongs to the asset {other}"))
        else:
            mine.append(name)
    return mine, left


def _own_id(by_folder: Mapping[str, set[str]], content_id: str | None) -> str | None:
    """The asset that is meant; None for one that is not ours to name."""
    here = by_folder.get("", set())
    every = set[str]().union(*by_folder.values())
    told = ", ".join(sorted(every))
    if not every or content_id in every:
        return content_id
    if not here:
        raise ValueError(f"there are assets in folders below it ({told}) and none in itself")
    if content_id is not None:
        raise ValueError(f"it holds {told}, not {content_id}")
    if len(here) > 1:
        raise ValueError(f"it holds several assets, {told}: content_id has to say which")
    return next(iter(here))


def _belongs(name: str, content_id: str, listed: Collection[str]) -> bool:
    """Whether a file is another asset's of the same folder."""
    if name in listed or parse_name(content_id, name):
        return True
    return is_media_of(content_id, name) or name in {f"{content_id}{suffix}" for suffix in BESIDE}


def is_media_of(content_id: str, name: str) -> bool:
    """Whether a file is media of an asset of ours, or a playlist of such."""
    return re.match(rf"{re.escape(slug(content_id))}_{GUID}[_.]", name) is not None


def _folder(name: str) -> str:
    parent = str(PurePosixPath(name).parent)
    return "" if parent == "." else parent
