"""Actions on stored files, for any workflow."""

from __future__ import annotations

from taskengine.actions.context import Context
from taskengine.actions.registry import action
from taskengine.model import JsonObject, PermanentFailure
from taskengine.storage import FileNotStored, clean_folder


@action("storage.list")
async def list_files(
    context: Context, *, storage: str, folder: str, root: str = "output_root"
) -> JsonObject:
    """List the files of a folder; `folder` of the result is its complete path."""
    opened = await context.open_folder(storage, root, folder)
    try:
        files = await opened.list()
    except FileNotStored as missing:
        raise PermanentFailure(str(missing)) from missing
    return {"folder": opened.complete, "files": [file.name for file in files]}


@action("storage.rename")
async def rename_files(
    context: Context,
    *,
    storage: str,
    folder: str,
    names: list[tuple[str, str]],
    root: str = "output_root",
) -> JsonObject:
    """Rename files of a folder, pairs of old and new name; what is renamed already is done."""
    opened = await context.open_folder(storage, root, folder)
    pairs = [(clean_folder("names", old), clean_folder("names", new)) for old, new in names]
    for old, new in pairs:
        await opened.rename(old, new)
    return {"folder": opened.complete, "files": [opened.name_of(new) for _, new in pairs]}
