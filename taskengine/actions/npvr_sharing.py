"""The links by which an asset out of archives has its segments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Final

import trio

from taskengine.actions.archive import open_archive
from taskengine.actions.context import Context
from taskengine.actions.npvr_sets import LINKS, Place
from taskengine.actions.registry import action
from taskengine.actions.together import together
from taskengine.model import JsonObject, PermanentFailure
from taskengine.storage import FileNotStored, Folder, StorageRefused

MOST_TOLD: Final = 4_000  # segments in the callback: a result has a million characters at most
GONE: Final = "it was kept for long enough meanwhile"


@action("npvr.share")
async def share_segments(
    context: Context,
    *,
    packages: list[JsonObject],
    source: Place,
    target: Place,
    overwrite: bool = False,
) -> JsonObject:
    """Give the segments of sets names beside the manifests to come: links, or with `overwrite`
    copies, to and from any storage. `kept` are what these names begin with."""
    folder = await context.open_folder(**target)
    names: list[str] = []
    kept: list[str] = []
    for made in filter(None, packages):
        path = context.scratch / LINKS
        await context.workspace.below(made["staged"]).fetch(LINKS, path)
        links = json.loads(await trio.Path(path).read_text("utf-8"))
        for capture_id, pairs in links.items():
            archive = await open_archive(context, **source, capture_id=capture_id)
            await (_copy if overwrite else _link)(context, archive, folder, pairs)
            names += [new for _, new in pairs]
        kept += made["stems"]
    if len(names) > MOST_TOLD:
        await context.warn(f"segments: the callback has {MOST_TOLD} of {len(names)}")
    told = [folder.name_of(name) for name in names[:MOST_TOLD]]
    return {"segments": told, "number": len(names), "kept": kept}


async def _link(
    context: Context, archive: Folder, folder: Folder, pairs: Sequence[tuple[str, str]]
) -> None:
    try:
        await folder.share(archive, pairs)
    except FileNotStored as gone:
        raise PermanentFailure(f"{gone}: {GONE}") from None
    except StorageRefused as refusal:
        raise PermanentFailure(str(refusal)) from None


async def _copy(
    context: Context, archive: Folder, folder: Folder, pairs: Sequence[tuple[str, str]]
) -> None:
    """Each again in another attempt: who was killed may have left half of what was copied."""
    copied = 0

    async def copy(old: str, new: str) -> None:
        nonlocal copied
        try:
            await folder.copy(archive, old, new, context.scratch / f"copied-{new}")
        except FileNotStored as gone:
            raise PermanentFailure(f"{gone}: {GONE}") from None
        copied += 1
        await context.progress(copied / len(pairs))

    await together(partial(copy, *pair) for pair in pairs)
