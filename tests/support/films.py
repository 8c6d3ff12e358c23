"""A film that is long enough to be encoded in segments."""

from functools import partial
from pathlib import Path

import trio

from taskengine.media.sample import RATE, make_film
from taskengine.runtime.process import run_process

SECONDS, SEGMENT = 10, 2
SEGMENTS = SECONDS // SEGMENT
PICTURES = SECONDS * RATE
HEIGHT = 270  # the lowest of which a ladder has two rungs


def long_film(folder: Path) -> Path:
    """An MP4 whose pictures carry their numbers."""
    path = folder / "film.mp4"
    run = partial(run_process, cwd=folder)
    trio.run(partial(make_film, run, path, SECONDS, height=HEIGHT))
    return path
