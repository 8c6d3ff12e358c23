"""What the files of a set of manifests are called, and which they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from taskengine.media.naming import Extension, Tag, active_name, parked_name


@dataclass(frozen=True, slots=True)
class SetName:
    """How the manifests of a set are named: as active ones, or as parked since `epoch`. `custom` is
    what a client calls the active ones, without their extensions."""

    content_id: str
    tag: Tag
    guid: str
    epoch: int | None = None
    custom: str = ""

    def of(self, extension: Extension, *, aes: bool = False) -> str:
        if self.epoch is None and self.custom:
            return f"{self.custom}{'_aes' if aes else ''}.{extension}"
        if self.epoch is None:
            return active_name(self.content_id, self.tag, self.guid, extension, aes=aes)
        return parked_name(self.content_id, self.tag, self.epoch, self.guid, extension, aes=aes)


@dataclass(frozen=True, slots=True)
class MadeSet:
    """Files of a set in a local folder, in the order in which they may be published."""

    folder: Path
    media: tuple[str, ...]
    manifests: tuple[str, ...]
    notes: tuple[str, ...] = ()  # what could not be made
    kept: Mapping[str, int] = field(default_factory=dict)  # media that are files of tracks, by name

    @property
    def files(self) -> tuple[str, ...]:
        return (*self.media, *self.manifests)
