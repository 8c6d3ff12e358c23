"""The last step of packaging: from the workspace into the asset's folder."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Final

import trio

from taskengine.actions.context import Context
from taskengine.actions.records import is_told
from taskengine.actions.registry import action
from taskengine.actions.together import together
from taskengine.media.naming import ManifestName, parked_name, parse_name
from taskengine.model import Json, JsonObject, PermanentFailure
from taskengine.storage import FileNotStored, Folder

MANIFESTS: Final = (".m3u8", ".mpd", ".ism")
NAMING: Final = (*MANIFESTS, ".vtt")  # suffixes of files that may name others
INTERNAL: Final = frozenset({"file", "folder", "stream", "private", "source"})  # of a track

Staged = tuple[str, str]  # a folder of the workspace, a name in it


@action("package.publish")
async def publish(
    context: Context,
    *,
    content_id: str,
    target: dict[str, str],
    packages: list[JsonObject],
    metadata: JsonObject,
    main_file: str | None = None,
    empty_target: bool = False,
    kept: list[str] | None = None,
) -> JsonObject:
    """Move what earlier tasks made to the target, what manifests name before them.

    `main_file` stands for the active manifest of a result without one. With `empty_target` the
    target has nothing else in the end (A80), but for what names that begin with one of `kept` have.
    """
    folder = await context.open_folder(**target)
    staged: list[Staged] = [(p["staged"], file) for p in packages if p for file in p["files"]]
    manifest = next((p["manifest"] for p in packages if p and p.get("active")), main_file)
    if manifest is None or manifest not in [name for _, name in staged]:
        raise PermanentFailure(f"{content_id}: no manifest was made")
    names = _distinct([*(name for _, name in staged), record_name := f"{content_id}.json"])
    record = await _record(context, content_id, manifest, names, metadata)
    old = await _earlier(content_id, folder, names)
    await folder.put(record, record_name)
    moving = _Moving(context, folder, len(staged))
    for group in _in_order(content_id, staged, manifest):
        await together(partial(moving.move, *item) for item in group)
    if empty_target:
        await _empty(context, folder, names, tuple(kept or ()))
    else:
        await _park(context, content_id, folder, old)
    what = "Active Manifest" if main_file is None else "File"
    await context.info(f"{folder.storage.label} folder: {folder.complete}, {what} {manifest}")
    return {
        "manifest": folder.name_of(manifest),
        "files": [folder.name_of(name) for name in names],
    }


@action("package.deliver")
async def deliver(
    context: Context,
    *,
    target: dict[str, str],
    packages: list[JsonObject],
) -> JsonObject:
    """Move what earlier tasks made to the target, and touch nothing else."""
    folder = await context.open_folder(**target)
    staged = [(p["staged"], file) for p in packages if p for file in p["files"]]
    names = _distinct([name for _, name in staged])
    moving = _Moving(context, folder, len(staged))
    for stage, name in staged:
        await moving.move(stage, name)
        await context.info(f"{folder.storage.label} folder: {folder.complete}, File {name}")
    return {"names": names, "files": [folder.name_of(name) for name in names]}


def without_nulls(value: Json) -> Json:
    """The same without members that are null, at any depth."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value if item is not None]
    return value


def _distinct(names: list[str]) -> list[str]:
    """A client names the MP4: it must not take the place of another file."""
    for name in names:
        if names.count(name) > 1:
            raise PermanentFailure(f"two files would be called {name!r}")
    return names


async def _record(
    context: Context, content_id: str, manifest: str, names: list[str], metadata: JsonObject
) -> Path:
    job = context.attempt.job
    event = {
        "content_id": content_id,
        "workflow": job.workflow,
        "job_id": str(job.id),
        "client": job.client,
        "created_at": datetime.fromtimestamp(context.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "manifest": manifest,
        "files": [name for name in names if is_told(content_id, name)],
        **metadata,
        "tracks": [
            {key: value for key, value in track.items() if key not in INTERNAL}
            for track in metadata.get("tracks", [])
        ],
    }
    path = context.scratch / "record.json"
    text = json.dumps(without_nulls(event), indent=2, ensure_ascii=False)
    await trio.Path(path).write_text(f"{text}\n")
    return path


def _in_order(
    content_id: str, staged: Sequence[Staged], manifest: str
) -> Iterator[Sequence[Staged]]:
    """Groups of files of which none names another: media, playlists, manifests, the active one."""

    stem = PurePosixPath(manifest).stem

    def rank(item: Staged) -> int:
        name = item[1]
        if name == manifest:
            return 3
        is_of_set = PurePosixPath(name).stem.removesuffix("_aes") == stem
        if parse_name(content_id, name) or (is_of_set and name.endswith(MANIFESTS)):
            return 2
        return int(name.endswith(NAMING))

    for _, group in groupby(sorted(staged, key=rank), rank):
        yield list(group)


@dataclass(slots=True)
class _Moving:
    """From the workspace into the asset's folder, which may be on another storage: then by way of
    this host, whose disk holds no more than what is on its way."""

    context: Context
    folder: Folder
    number: int  # of all files
    moved: int = 0

    async def move(self, staged: str, name: str) -> None:
        stage = self.context.workspace.below(staged)
        if stage.storage is self.folder.storage:
            await self.folder.take(stage, name)
        else:
            local = self.context.scratch / f"moving-{uuid.uuid4().hex}"
            await self.folder.copy(stage, name, name, local)
        self.moved += 1
        await self.context.progress(self.moved / self.number)


async def _empty(context: Context, folder: Folder, names: list[str], kept: tuple[str, ...]) -> None:
    """Remove what was there before, manifests first: what they name is there as long as they."""
    known = set(names)
    others = [
        file.name
        for file in await folder.list()
        if file.name not in known and not (kept and file.name.startswith(kept))
    ]
    for name in sorted(others, key=lambda one: not one.endswith(MANIFESTS)):
        try:
            await folder.delete(name)
        except FileNotStored:
            await context.debug(f"{name} is gone already")
    if others:
        await context.info(f"Removed {len(others)} earlier files of {folder.complete}")


async def _earlier(content_id: str, folder: Folder, names: list[str]) -> list[str]:
    """Active manifests of an earlier job on the same asset."""
    try:
        files = [file.name for file in await folder.list()]
    except FileNotStored:
        return []
    parsed = {file: parse_name(content_id, file) for file in files if file not in names}
    return [file for file, said in parsed.items() if said is not None and said.active]


async def _park(context: Context, content_id: str, folder: Folder, old: list[str]) -> None:
    """Park them as of a second before this job, whose own parked set is the newest (A58)."""
    for file in sorted(old, key=lambda name: not name.endswith(".ism")):
        said = parse_name(content_id, file)
        assert isinstance(said, ManifestName)
        new = parked_name(
            content_id,
            said.tag,
            context.epoch - 1,
            context.guid(f"parked-{said.guid}"),
            said.extension,
            aes=said.aes,
        )
        await folder.rename(file, new)
        await context.info(f"De-activating {folder.name_of(file)}. New name: {new}")
