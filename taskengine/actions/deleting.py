"""Deleting assets and files of them: first it is told what will go, then that goes.

What a later attempt finds gone was deleted by an earlier one: the result is the same.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Final

import trio

from taskengine.actions.context import Context
from taskengine.actions.materials import stage
from taskengine.actions.publish import MANIFESTS
from taskengine.actions.registry import action
from taskengine.actions.together import together
from taskengine.media.ownership import Left, assets_by_folder, split
from taskengine.model import JsonObject, PermanentFailure
from taskengine.storage import FileNotStored, Folder

TOLD: Final = 100  # lines about single files
LIST: Final = "files.json"  # in the workspace: there may be too many for a result
LARGEST_RECORD: Final = 16 << 20  # bytes
PARKED: Final = (*MANIFESTS, ".drm", ".nodrm")


@action("asset.find")
async def find_asset(
    context: Context, *, storage: str, root: str, folder: str, content_id: str | None = None
) -> JsonObject:
    """List what of a folder belongs to its asset, for asset.delete, and tell what is left; `path`
    is the folder below its root. A folder that is not there is no failure."""
    opened = await context.open_folder(storage, root, folder)
    files: list[str] = []
    left: list[Left] = []
    try:
        sizes = {file.name: file.size for file in await opened.list()}
        listed = await _listed(context, opened, sizes, content_id)
        files, left = split(list(sizes), content_id or None, listed)
    except FileNotStored:
        await context.warn(f"{opened.complete} is not there: nothing to delete")
    except ValueError as unclear:
        raise PermanentFailure(f"nothing is deleted of {opened.complete}: {unclear}") from None
    for one in left[:TOLD]:
        await context.warn(f"{opened.name_of(one.name)} is left: {one.reason}")
    if len(left) > TOLD:
        await context.warn(f"{len(left) - TOLD} more files are left")
    path = context.scratch / LIST
    await trio.Path(path).write_text(json.dumps(files), "utf-8")
    staged = await stage(context, [path])
    return {"path": opened.path, "found": len(files), "left": len(left), **staged}


@action("asset.delete")
async def delete_asset(
    context: Context, *, storage: str, root: str, folder: str, found: JsonObject
) -> JsonObject:
    """Delete the files that asset.find found, manifests first: nobody is led to what is gone."""
    opened = await context.open_folder(storage, root, folder)
    path = context.scratch / LIST
    await context.workspace.below(found["staged"]).fetch(LIST, path)
    files: list[str] = json.loads(await trio.Path(path).read_text("utf-8"))
    manifests = [name for name in files if name.endswith(PARKED)]
    await delete(context, opened, manifests)
    await delete(context, opened, [name for name in files if not name.endswith(PARKED)])
    await _remove_if_empty(opened)
    await context.info(f"Deleted {len(files)} files of {opened.complete}, left {found['left']}")
    return {"deleted": len(files), "left": found["left"]}


@action("files.find")
async def find_files(context: Context, *, storage: str, root: str, files: list[str]) -> JsonObject:
    """Which of some files are there, and which are `missing`; paths are below the root."""
    top, paths = await context.open_files(storage, root, files)
    by_folder: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        by_folder[str(PurePosixPath(path).parent)].append(path)
    there = set[str]()
    for parent, own in by_folder.items():
        there |= await _stored(context, top, parent, own)
    missing = [path for path in paths if path not in there]
    for path in missing:
        await context.warn(f"{top.name_of(path)} is not there: nothing to delete")
    return {
        "files": [path for path in paths if path in there],
        "missing": missing,
        "wanted": [top.name_of(path) for path in paths],
    }


@action("files.delete")
async def delete_files(
    context: Context, *, storage: str, root: str, files: list[str]
) -> JsonObject:
    """Delete the files that were found, and leave all others alone."""
    top, paths = await context.open_files(storage, root, files)
    await delete(context, top, paths)
    await context.info(f"Deleted {len(paths)} files below {top.complete}")
    return {"files": [top.name_of(path) for path in paths]}


async def _listed(
    context: Context, folder: Folder, sizes: dict[str, int], content_id: str | None
) -> dict[str, list[str]]:
    """What the records of the folder's other assets list as theirs."""
    found: dict[str, list[str]] = {}
    for one in assets_by_folder(sizes, content_id).get("", set()) - {content_id}:
        if 0 < sizes.get(record := f"{one}.json", 0) <= LARGEST_RECORD:
            path = context.scratch / "record.json"
            await folder.fetch(record, path)
            found[one] = _files_of(await trio.Path(path).read_text("utf-8", "replace"))
    return found


def _files_of(record: str) -> list[str]:
    try:
        said = json.loads(record)
        return [str(name) for name in said["files"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []  # not one of ours: names tell what they can


async def _stored(context: Context, top: Folder, parent: str, paths: Sequence[str]) -> set[str]:
    """Which of the paths of one folder are files, and maybe more."""
    if parent == ".":  # a root may hold everything: only the files themselves are asked for
        return {path for path in paths if await _is_stored(context, top, path)}
    try:
        return {f"{parent}/{file.name}" for file in await top.below(parent).list()}
    except FileNotStored:
        return set()


async def _is_stored(context: Context, top: Folder, path: str) -> bool:
    try:
        await top.fetch(path, context.scratch / "there")
    except FileNotStored:
        return False
    return True


async def delete(context: Context, folder: Folder, names: Sequence[str]) -> None:
    """Those that are there; each behind the fence."""
    await context.confirm()  # once more for each of them
    await together(partial(_delete_one, context, folder, name) for name in names)


async def _delete_one(context: Context, folder: Folder, name: str) -> None:
    try:
        await folder.delete(name)
        await context.debug(f"Deleted {folder.name_of(name)}")
    except FileNotStored:
        await context.debug(f"{folder.name_of(name)} is gone already")


async def _remove_if_empty(folder: Folder) -> None:
    """What is left of a folder without files: folders in it, links."""
    try:
        if await folder.list():
            return
    except FileNotStored:
        return
    await folder.clear()
