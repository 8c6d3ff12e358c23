"""A film of six seconds in two renditions, made once for all media tests."""

from functools import partial

import pytest
import trio

from taskengine.media.ffmpeg import ffmpeg, source
from taskengine.media.probe import probe
from taskengine.media.sample import make_film
from taskengine.media.tools import Bench
from taskengine.media.tracks import arrange
from taskengine.runtime.process import run_process

SECONDS = 6


@pytest.fixture
def bench(tmp_path):
    return Bench(partial(run_process, cwd=tmp_path), tmp_path)


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """A folder with high.mp4 (two audio tracks), low.mp4 (no audio) and words.vtt."""
    folder = tmp_path_factory.mktemp("films")
    trio.run(_make, Bench(partial(run_process, cwd=folder), folder))
    return folder


@pytest.fixture
async def tracks(films, bench):
    """The tracks of the film, their files linked into the bench's folder."""
    for file in films.iterdir():
        (bench.folder / file.name).symlink_to(file)
    found = [track for name in ("high.mp4", "low.mp4") for track in await tracks_of(bench, name)]
    return arrange(found)


async def tracks_of(bench, name):
    return (await probe(bench, bench.folder / name)).tracks


async def _make(bench):
    high, low = bench.folder / "high.mp4", bench.folder / "low.mp4"
    await make_film(bench.run, high, SECONDS, height=180)
    keyframes = ("-force_key_frames", "expr:gte(t,n_forced*2)", "-sc_threshold", "0")
    await ffmpeg(
        bench,
        *source(high),
        *("-map", "0:v", "-vf", "scale=160:90", "-c:v", "libx264", "-preset", "veryfast"),
        *("-b:v", "60k", *keyframes, "-f", "mp4", f"file:{low}"),
    )
    text = "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nHello\n"
    (bench.folder / "words.vtt").write_text(text)
