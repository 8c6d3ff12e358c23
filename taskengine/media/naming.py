"""Names of manifests: what they look like while a set is active, and while it is parked.

    active   <content_id>_<drm|nodrm>_<guid>[_aes].<ism|m3u8|mpd>
    parked   <epoch>_<guid>_<content_id>[_aes][.<m3u8|mpd>].<drm|nodrm>

A parked name never ends like an active one, which hides parked sets from origins and players.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from taskengine.model import BadInput

Tag = Literal["drm", "nodrm"]
Extension = Literal["ism", "m3u8", "mpd"]  # the server manifest, then its companions

_GUID = "(?P<guid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_ACTIVE = rf"_(?P<tag>drm|nodrm)_{_GUID}(?P<aes>_aes)?\.(?P<extension>ism|m3u8|mpd)"
_PARKED = r"(?P<aes>_aes)?(?:\.(?P<extension>m3u8|mpd))?\.(?P<tag>drm|nodrm)"
_ANY_GUID = _GUID.replace("?P<guid>", "?:")
_MEDIA = rf".+_{_ANY_GUID}_(?:[avt][0-9]+|tiles|dref)(?:_[a-z0-9]+)?\.(?:mp4|vtt|m3u8|m4s|jpg)"
_MANIFEST = rf".+_(?:drm|nodrm)_{_ANY_GUID}(?:_aes)?\.(?:ism|m3u8|mpd)"
_PARKED_MANIFEST = rf"[0-9]{{10}}_{_ANY_GUID}_.+\.(?:drm|nodrm)"
_COMBINED = rf".+_{_ANY_GUID}\.ismv"
_RESULT = re.compile(f"{_MEDIA}|{_COMBINED}|{_MANIFEST}|{_PARKED_MANIFEST}")
_EPOCH = "(?P<epoch>[0-9]{10})"  # of parking, in whole seconds


@dataclass(frozen=True, slots=True)
class ManifestName:
    """What the name of a manifest says. `epoch` is when it was parked; None: it is active."""

    tag: Tag
    guid: str
    extension: Extension
    aes: bool = False
    epoch: int | None = None

    @property
    def active(self) -> bool:
        return self.epoch is None


def active_name(
    content_id: str, tag: Tag, guid: str, extension: Extension, *, aes: bool = False
) -> str:
    """The name of a manifest that is delivered."""
    _check(content_id, tag, aes)
    return f"{content_id}_{tag}_{guid}{_suffix(aes)}.{extension}"


def parked_name(
    content_id: str, tag: Tag, epoch: int, guid: str, extension: Extension, *, aes: bool = False
) -> str:
    """The name of a manifest that is kept for a later switch."""
    _check(content_id, tag, aes)
    companion = "" if extension == "ism" else f".{extension}"
    return f"{epoch:010d}_{guid}_{content_id}{_suffix(aes)}{companion}.{tag}"


def parse_name(content_id: str, name: str) -> ManifestName | None:
    """What a file name says, or None if it is no manifest of this content id."""
    this = re.escape(content_id)
    found = re.fullmatch(this + _ACTIVE, name) or re.fullmatch(
        f"{_EPOCH}_{_GUID}_{this}{_PARKED}", name
    )
    if found is None:
        return None
    said = found.groupdict()
    tag, aes = cast(Tag, said["tag"]), said["aes"] is not None
    if aes and tag == "nodrm":
        return None
    epoch = int(said["epoch"]) if "epoch" in said else None
    extension = cast(Extension, said["extension"] or "ism")
    return ManifestName(tag, said["guid"], extension, aes, epoch)


def is_result(name: str) -> bool:
    """Whether a file is one that packaging has made: media and playlists of a set, or a manifest
    of any content id."""
    return _RESULT.fullmatch(name) is not None


def _suffix(aes: bool) -> str:
    return "_aes" if aes else ""


def _check(content_id: str, tag: Tag, aes: bool) -> None:
    """Names are flat, so that a content id leads into no other folder."""
    if not content_id or "/" in content_id or "\\" in content_id or "\0" in content_id:
        raise BadInput(f"content_id: expected a name without slashes: {content_id!r}")
    if aes and tag != "drm":
        raise ValueError("only the set with DRM has an AES variant")
