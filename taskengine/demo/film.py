"""The film that is packaged: a sample, or one of the user's."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import trio

from taskengine.demo.place import DemoPlace
from taskengine.media.probe import probe
from taskengine.media.sample import make_film
from taskengine.media.tools import Bench
from taskengine.model import BadInput, PermanentFailure
from taskengine.runtime.folders import make_data_folder, make_private

SECONDS = 30


@dataclass(frozen=True, slots=True)
class Film:
    path: Path
    duration: float  # seconds


async def place_film(bench: Bench, given: Path | None, place: DemoPlace, asset: str) -> Film:
    """Put a film into a folder of its own. Raises BadInput if what is given is none, and then makes
    no folder."""
    duration = float(SECONDS) if given is None else await _duration(bench, given)
    make_data_folder(place.data)
    make_private(place.input)
    folder = place.input / asset
    await trio.Path(folder).mkdir(parents=True)
    target = folder / ("sample.mp4" if given is None else given.name)
    if given is None:
        await make_film(bench.run, target, SECONDS)
    else:
        await trio.to_thread.run_sync(shutil.copyfile, given, target)
    return Film(target, duration)


async def _duration(bench: Bench, given: Path) -> float:
    try:
        media = await probe(bench, given)
    except PermanentFailure as failure:
        raise BadInput(f"--film: {failure}") from None
    if all(track.type != "video" for track in media.tracks):
        raise BadInput(f"--film: {given.name} holds no video")
    return media.duration
