"""Which manifests a DRM switch activates, which it parks, and under what names. No I/O.

A set is active by its main server manifest (`.ism`), so that one is always renamed last, and a
set is activated before another is parked: a switch that breaks off leaves the old kind active, or
both, never none. The next switch gathers what was left apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from taskengine.media.naming import Extension, Tag, active_name, parked_name, parse_name
from taskengine.model import PermanentFailure, Severity

Rename = tuple[str, str]  # old name, new name
Slot = tuple[bool, Extension]  # a manifest's place in its set: AES variant or not, extension
MAIN: Slot = (False, "ism")
SPOKEN: dict[Tag, str] = {"drm": "DRM", "nodrm": "non-DRM"}  # as log lines have it


@dataclass(frozen=True, slots=True)
class Switch:
    """What a switch does. `missing` is the kind that has to be made before anything is renamed."""

    direction: Tag  # the kind that is active afterwards
    active_manifest: str  # its main .ism
    manifests: Sequence[str]  # all of its set; of a missing one, the main .ism alone
    activated: Sequence[Rename]
    parked: Sequence[Rename]
    missing: Tag | None = None

    @property
    def renames(self) -> list[Rename]:
        """In the order in which they have to be made; each is independent of the others."""
        return [*self.activated, *self.parked]

    def lines(self, folder: str) -> list[tuple[Severity, str]]:
        """What the log says of it; `folder` is the complete folder of the asset."""
        heading = (Severity.INFO, f"switching to {SPOKEN[self.direction]} manifest")
        lines: list[tuple[Severity, str]] = []
        for old, new in reversed(self.activated):
            line = f"Activating {folder}/{old}. New manifest: {new}"
            lines += (
                [heading, (Severity.INFO, line)] if _is_server(new) else [(Severity.DEBUG, line)]
            )
        if self.missing:
            spoken = SPOKEN[self.missing]
            line = f"No {spoken} manifest found. New manifest: {self.active_manifest}"
            lines += [heading, (Severity.INFO, line)]
        if heading not in lines:
            lines.insert(0, heading)
        for old, new in reversed(self.parked):
            severity = Severity.INFO if _is_server(old) else Severity.DEBUG
            lines.append((severity, f"De-activating {folder}/{old}. New name: {new}"))
        return lines


@dataclass(frozen=True, slots=True)
class _Set:
    """Manifests that switch together. The names of `files` may differ from what they should be."""

    content_id: str
    tag: Tag
    guid: str
    epoch: int | None  # of parking; None: active
    files: dict[Slot, str] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return MAIN in self.files

    @property
    def rank(self) -> tuple[bool, int, str]:
        """Highest for the active one, then for the one parked last (A58)."""
        return self.epoch is None, self.epoch or 0, self.guid

    def name(self, slot: Slot) -> str:
        aes, extension = slot
        if self.epoch is None:
            return active_name(self.content_id, self.tag, self.guid, extension, aes=aes)
        epoch, guid = self.epoch, self.guid
        return parked_name(self.content_id, self.tag, epoch, guid, extension, aes=aes)

    def names(self) -> list[str]:
        """What its files should be called, the main manifest first."""
        return [self.name(slot) for slot in sorted(self.files, key=_order, reverse=True)]

    def renames(self) -> list[Rename]:
        """What makes its files' names right, the main manifest last."""
        names = [(self.files[slot], self.name(slot)) for slot in sorted(self.files, key=_order)]
        return [(old, new) for old, new in names if old != new]


def plan_switch(
    content_id: str, files: Iterable[str], *, drm: bool, epoch: int, guid: Callable[[str], str]
) -> Switch:
    """Toggle the asset with these files (A53); `drm` says that a DRM set may be made.

    Raises PermanentFailure if DRM has to go on and there is nothing to do it with.
    """
    sets = _reunite(_gather(content_id, files))
    direction = _direction(sets)
    chosen = next((s for s in sets if s.whole and s.tag == direction), None)
    if chosen is None and direction == "drm" and not drm:
        raise PermanentFailure(
            f"{content_id}: no DRM manifest is parked and 'drm' is not given: DRM cannot go on"
        )
    up = _activated(chosen or _Set(content_id, direction, "", 0), guid)
    down = [_parked(s, epoch, guid) for s in sets if s is not chosen]
    return Switch(
        direction=direction,
        active_manifest=up.name(MAIN),
        manifests=up.names() or [up.name(MAIN)],
        activated=up.renames(),
        parked=[rename for s in down for rename in s.renames()],
        missing=None if chosen else direction,
    )


def _direction(sets: Sequence[_Set]) -> Tag:
    """DRM goes off only where it alone is active; where both are, it stays."""
    active = {s.tag for s in sets if s.whole and s.epoch is None}
    return "nodrm" if active == {"drm"} else "drm"


def _gather(content_id: str, files: Iterable[str]) -> list[_Set]:
    sets: dict[tuple[Tag, str, int | None], _Set] = {}
    for file in sorted(files):
        if name := parse_name(content_id, file):
            key = (name.tag, name.guid, name.epoch)
            found = sets.setdefault(key, _Set(content_id, *key))
            found.files[name.aes, name.extension] = file
    return list(sets.values())


def _reunite(sets: Sequence[_Set]) -> list[_Set]:
    """Give manifests that a broken-off switch left apart back to their set; best sets first."""
    homes = sorted((s for s in sets if s.whole), key=lambda s: s.rank, reverse=True)
    strays = []
    for stray in (s for s in sets if not s.whole):
        for home in homes:
            if home.tag == stray.tag and home.files.keys().isdisjoint(stray.files):
                home.files.update(stray.files)
                break
        else:
            strays.append(stray)
    return [*homes, *strays]


def _activated(chosen: _Set, guid: Callable[[str], str]) -> _Set:
    if chosen.epoch is None:
        return chosen
    return replace(chosen, epoch=None, guid=guid(f"active-{chosen.tag}"))


def _parked(other: _Set, epoch: int, guid: Callable[[str], str]) -> _Set:
    if other.epoch is not None:
        return other
    return replace(other, epoch=epoch, guid=guid(f"parked-{other.guid}"))


def _order(slot: Slot) -> tuple[bool, bool, Slot]:
    """Companions, then the AES variant's server manifest, then the main one."""
    return slot == MAIN, slot[1] == "ism", slot


def _is_server(name: str) -> bool:
    return name.endswith(".ism")
