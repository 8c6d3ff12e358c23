"""Files of tracks, from where they are stored into an attempt's scratch folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

import trio

from taskengine.actions.context import Context
from taskengine.media.tools import Bench
from taskengine.media.tracks import Track
from taskengine.model import JsonObject, PermanentFailure
from taskengine.storage import FileNotStored, Folder

LONGEST_PAUSE: Final = 30.0  # seconds between two tries to fetch a file


def bench_of(context: Context) -> Bench:
    """Media tools that work in the scratch folder of an attempt."""
    return Bench(context.run, context.scratch)


async def fetch(context: Context, folder: Folder, name: str, target: Path, retries: int) -> None:
    """Fetch a file, trying again as often as the job wants (A63)."""
    for tried in range(retries + 1):
        try:
            await folder.fetch(name, target)
        except FileNotStored as missing:
            raise PermanentFailure(str(missing)) from missing
        except Exception as error:
            if tried == retries:
                raise
            await context.warn(f"{name} could not be fetched, trying again: {error}")
            await trio.sleep(min(2.0**tried, LONGEST_PAUSE))
        else:
            return


async def gather(
    context: Context, tracks: Iterable[JsonObject], source: Folder, retries: int = 0
) -> list[Track]:
    """Fetch the files of tracks; their `file` is then a name in the scratch folder."""
    local: dict[tuple[str, str], str] = {}
    gathered = []
    for said in tracks:
        track = Track(**said)
        place = (track.folder, track.file)
        if place not in local:
            local[place] = local_name(len(local), track.file)
            folder = context.workspace.below(track.folder) if track.folder else source
            await fetch(context, folder, track.file, context.scratch / local[place], retries)
        gathered.append(replace(track, file=local[place], folder=""))
    return gathered


def local_name(number: int, name: str) -> str:
    """A name of our own: those of clients may mean something on a command line."""
    suffix = PurePosixPath(name).suffix.lower()
    return f"in-{number}{suffix if suffix[1:].isalnum() else ''}"


async def stage(context: Context, paths: Iterable[Path]) -> JsonObject:
    """Hand files on to later tasks, under their own names."""
    names = []
    for path in paths:
        await context.staging.hand_over(path, path.name)
        names.append(path.name)
    return {"staged": PurePosixPath(context.staging.path).name, "files": names}
