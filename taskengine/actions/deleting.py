"""Deleting assets and files of them: first it is told what will go, then that goes.

What a later attempt finds gone was deleted by an earlier one: the result is the same.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

import trio

from taskengine.actions.context import Context
from taskengine.actions.materials import stage
from taskengine.actions.publish import MANIFESTS
from taskengine.actions.registry import action
from taskengine.actions.together import unwrapped
from taskengine.media.ownership import Left, split
from taskengine.model import JsonObject, PermanentFailure
from taskengine.storage import FileNotStored, Folder
from taskengine.texts import read_json

AT_ONCE: Final = 8  # deletions: each waits for the storage and the fence
TOLD: Final = 100  # lines about files that are left
MOST_LINES: Final = 1_000  # hidden ones, about files that are deleted
LIST: Final = "files.json"  # in the workspace: there may be too many for a result
LARGEST_RECORD: Final = 16 << 20  # bytes
MOST_RECORDS: Final = 1_000  # of a folder
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
        listed = await _listed(context, opened, sizes)
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
        there |= await _stored(top, parent, own)
    missing = [path for path in paths if path not in there]
    for path in missing:
        is_complete = path.startswith(f"{top.complete.strip('/')}/")
        hint = "; paths count from the root, without it" if is_complete else ""
        await context.warn(f"{top.name_of(path)} is not there: nothing to delete{hint}")
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


async def _listed(context: Context, folder: Folder, sizes: dict[str, int]) -> dict[str, list[str]]:
    """What the records in the folder itself list, by the content ids of their assets."""
    found: dict[str, list[str]] = {}
    records = [name for name in sizes if name.endswith(".json") and "/" not in name]
    for name in records[:MOST_RECORDS]:
        if sizes[name] <= LARGEST_RECORD:
            path = context.scratch / "record.json"
            await folder.fetch(name, path)
            found |= _files_of(await trio.Path(path).read_text("utf-8", "replace"))
    return found


def _files_of(record: str) -> dict[str, list[str]]:
    """The files that a record lists; nothing where it is none of ours."""
    try:
        said = read_json(record)
        files = [str(name) for name in said["files"]]
        return {str(said["content_id"]): files} if said["workflow"] else {}
    except (ValueError, LookupError, TypeError):
        return {}


async def _stored(top: Folder, parent: str, paths: Sequence[str]) -> set[str]:
    """Which of the paths of one folder are files, and maybe more."""
    if parent == ".":  # a root may hold everything: only the files themselves are asked for
        return {path for path in paths if await top.has(path)}
    try:
        return {f"{parent}/{file.name}" for file in await top.below(parent).list()}
    except FileNotStored:
        return set()


async def delete(context: Context, folder: Folder, names: Sequence[str]) -> None:
    """Those that are there; each behind the fence."""
    await context.confirm()  # once more for each of them
    waiting = iter(enumerate(names, 1))

    async def work() -> None:
        for number, name in waiting:
            await _delete_one(context, folder, name, is_told=number <= MOST_LINES)
            await context.progress(number / len(names))

    async with unwrapped(), trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(work)


async def _delete_one(context: Context, folder: Folder, name: str, *, is_told: bool) -> None:
    try:
        await folder.delete(name)
        line = f"Deleted {folder.name_of(name)}"
    except FileNotStored:
        line = f"{folder.name_of(name)} is gone already"
    if is_told:
        await context.debug(line)


async def _remove_if_empty(folder: Folder) -> None:
    """What is left of a folder without files: folders in it, links."""
    try:
        if await folder.list():
            return
    except FileNotStored:
        return
    await folder.clear()
