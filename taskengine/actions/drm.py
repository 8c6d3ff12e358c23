"""Switching an asset between its manifests with DRM and those without."""

from __future__ import annotations

from pydantic import BaseModel

from taskengine.actions.context import Context
from taskengine.actions.cpix import downloaded, keep
from taskengine.actions.materials import bench_of
from taskengine.actions.records import update_record
from taskengine.actions.registry import action
from taskengine.media.naming import Tag, parse_name
from taskengine.media.sets import SetName, make_missing_set
from taskengine.media.switching import plan_switch
from taskengine.model import JsonObject, PermanentFailure
from taskengine.storage import Folder


class Prepared(BaseModel):
    """What drm.prepare_switch hands to drm.rename_manifests; names are those in the folder."""

    direction: Tag
    names: list[tuple[str, str]]  # old and new, in the order of renaming
    active_manifest: str
    manifests: list[str]  # of the set that is active afterwards
    missing: Tag | None  # the kind that has to be made first


@action("drm.prepare_switch")
async def prepare_switch(
    context: Context, *, content_id: str, folder: str, files: list[str], drm: list[str]
) -> JsonObject:
    """Work out from a list of files what has to be renamed; `folder` is their complete path."""
    switch = plan_switch(content_id, files, drm=bool(drm), epoch=context.epoch, guid=context.guid)
    for severity, line in switch.lines(folder):
        await context.write(severity, line)
    prepared = Prepared(
        direction=switch.direction,
        names=switch.renames,
        active_manifest=switch.active_manifest,
        manifests=list(switch.manifests),
        missing=switch.missing,
    )
    return prepared.model_dump(mode="json")


@action("drm.rename_manifests")
async def rename_manifests(
    context: Context,
    *,
    storage: str,
    folder: str,
    content_id: str,
    switch: Prepared,
    drm: list[str],
    cpix: bool = False,
    cpix_url: str | None = None,
    root: str = "output_root",
) -> JsonObject:
    """Carry out a prepared switch, after making the set of manifests that it misses."""
    opened = await context.open_folder(storage, root, folder)
    names = switch.manifests
    if switch.missing:
        if cpix and switch.missing == "drm":
            await keep(context, await downloaded(context, cpix_url, content_id), opened, content_id)
        names = await _make_set(context, opened, content_id, switch, drm)
    for old, new in switch.names:
        await opened.rename(old, new)
    active = switch.active_manifest
    await update_record(context, opened, content_id, active, names)
    await context.info(
        f"{opened.storage.label} folder: {opened.complete}, Active Manifest {active}"
    )
    files = [opened.name_of(name) for name in names]
    return {"active_manifest": opened.name_of(active), "files": files}


async def _make_set(
    context: Context,
    folder: Folder,
    content_id: str,
    switch: Prepared,
    drm: list[str],
) -> list[str]:
    """Make the set that is missing and publish it, its main manifest last; returns its files."""
    said = parse_name(content_id, switch.active_manifest)
    if said is None:
        raise PermanentFailure(f"{switch.active_manifest}: no manifest of {content_id}")
    made = await make_missing_set(
        bench_of(context),
        folder,
        SetName(content_id, said.tag, said.guid),
        guid=context.guid,
        drm=drm,
        keys=context.keys,
    )
    for file in made.files:
        await folder.put(made.folder / file, file)
    return [*reversed(made.manifests), *made.media]
