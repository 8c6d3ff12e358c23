"""The record of an asset, `<content_id>.json`, which is delivered with it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import trio

from taskengine.actions.context import Context
from taskengine.media.naming import is_result, parse_name
from taskengine.storage import FileNotStored, Folder
from taskengine.texts import read_json


def is_told(content_id: str, name: str) -> bool:
    """Whether the record names a file: not the media of sets, which players find by a manifest, and
    no manifest that is parked. Else clear media could be found while DRM is on."""
    said = parse_name(content_id, name)
    return said.active if said is not None else not is_result(name)


async def update_record(
    context: Context, folder: Folder, content_id: str, manifest: str, files: Sequence[str]
) -> None:
    """After a switch to a manifest; `files` are those of its set. What is no record of ours stays
    as it is."""
    name, local = f"{content_id}.json", context.scratch / "record.json"
    try:
        await folder.fetch(name, local)
        said = read_json(await trio.Path(local).read_text("utf-8"))
        others = [one for one in said["files"] if parse_name(content_id, one) is None]
    except (FileNotStored, ValueError, KeyError, TypeError):
        return
    told = [one for one in (*files, *others) if is_told(content_id, one)]
    text = json.dumps({**said, "manifest": manifest, "files": told}, indent=2, ensure_ascii=False)
    changed = context.scratch / "record-changed.json"  # what was fetched is never written to
    await trio.Path(changed).write_text(f"{text}\n", "utf-8")
    await folder.put(changed, name)
