"""Which files of a source folder are sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from taskengine.actions.context import Context
from taskengine.media.extensions import CAPTIONS, DOCUMENT, MEDIA, suffix
from taskengine.media.naming import is_result
from taskengine.model import JsonObject
from taskengine.storage import Folder
from taskengine.texts import read_json

TOLD: Final = 20  # lines about files that are left out, at most
LARGEST_RECORD: Final = 8 << 20  # bytes


@dataclass(slots=True)
class Listed:
    """Files of a folder: `sources`, those an earlier job has put there, and what is neither, with
    why."""

    sources: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)  # of keys
    left_out: dict[str, str] = field(default_factory=dict)

    async def tell(self, context: Context) -> None:
        """A line about each file that is no source."""
        if self.results:
            await context.info(f"{len(self.results)} files that a job has made are no sources")
        for name in list(self.left_out)[:TOLD]:
            await context.warn(f"{name} is left out: {self.left_out[name]}")
        if len(self.left_out) > TOLD:
            await context.warn(f"{len(self.left_out) - TOLD} more files are left out")


async def listed(context: Context, folder: Folder, content_id: str) -> Listed:
    """Raises FileNotStored without a folder."""
    files = {file.name: file.size for file in await folder.list()}
    record = f"{content_id}.json"
    recorded: frozenset[str] = frozenset()
    if files.get(record, LARGEST_RECORD) < LARGEST_RECORD:
        recorded = await _recorded(context, folder, record)
    found = Listed()
    for name in files:
        if is_result(name) or name in recorded:
            found.results.append(name)
        elif suffix(name) == DOCUMENT and not is_hidden(name):
            found.documents.append(name)
        elif why := _no_source(name):
            found.left_out[name] = why
        else:
            found.sources.append(name)
    return found


def is_hidden(name: str) -> bool:
    """Whether a system has put it there, beside what somebody meant."""
    return PurePosixPath(name).name.startswith(".")


def unknown(properties: JsonObject, names: Sequence[str]) -> list[str]:
    """Names that properties are given for and that are no files."""
    return [name for name in properties if name not in names]


def _no_source(name: str) -> str:
    if is_hidden(name):
        return "hidden files are no sources"
    if suffix(name) in MEDIA | CAPTIONS:
        return ""
    return f"files of the kind {suffix(name) or 'without an extension'} are not taken"


async def _recorded(context: Context, folder: Folder, record: str) -> frozenset[str]:
    """What an earlier job says it has made, and its record itself."""
    local = context.scratch / "earlier.json"
    await folder.fetch(record, local)
    try:
        said = read_json(local.read_text("utf-8"))
        return frozenset([record, *map(str, said["files"])]) if "job_id" in said else frozenset()
    except (ValueError, KeyError, TypeError):
        return frozenset()  # a file of somebody else
