"""Switching an asset between its manifests with DRM and those without."""

from __future__ import annotations

from taskengine.actions.context import Context
from taskengine.actions.registry import action
from taskengine.media.naming import Tag
from taskengine.media.switching import plan_switch
from taskengine.model import JsonObject


@action("drm.prepare_switch")
async def prepare_switch(
    context: Context, *, content_id: str, folder: str, files: list[str], drm: list[str]
) -> JsonObject:
    """Work out from a list of files what has to be renamed; `folder` is their complete path."""
    switch = plan_switch(content_id, files, drm=bool(drm), epoch=context.epoch, guid=context.guid)
    for severity, line in switch.lines(folder):
        await context.write(severity, line)
    return {
        "direction": switch.direction,
        "names": [list(pair) for pair in switch.renames],
        "active_manifest": switch.active_manifest,
        "manifests": list(switch.manifests),
        "missing": switch.missing,
    }


@action("drm.rename_manifests")
async def rename_manifests(
    context: Context,
    *,
    storage: str,
    folder: str,
    names: list[tuple[str, str]],
    active_manifest: str,
    manifests: list[str],
    content_id: str,
    missing: Tag | None = None,
    drm: list[str] | None = None,
    cpix: bool = False,
    root: str = "output_root",
) -> JsonObject:
    """Carry out a prepared switch, after making the set of manifests that it misses."""
    opened = await context.open_folder(storage, root, folder)
    if missing:
        manifests = await _make(
            context, opened, content_id, missing, active_manifest, drm or [], cpix
        )
    await context.confirm()
    for old, new in names:
        await opened.rename(old, new)
    label = opened.storage.label
    await context.info(f"{label} folder: {opened.complete}, Active Manifest {active_manifest}")
    return {
        "active_manifest": opened.name_of(active_manifest),
        "files": [opened.name_of(name) for name in manifests],
    }
