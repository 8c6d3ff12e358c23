"""Assets in storage, packaged from one small film, and jobs on them."""

from functools import partial
from pathlib import Path

import trio

from taskengine.media.ffmpeg import ffmpeg, source
from taskengine.media.keys import asset_name, keys_for
from taskengine.media.probe import probe
from taskengine.media.sample import make_film, numbers_of
from taskengine.media.sets import SetName, build_set
from taskengine.media.tools import Bench
from taskengine.media.tracks import arrange
from taskengine.runtime.process import run_process
from taskengine.testing.actions import fake_context
from tests.actions.jobs import WorkflowJob, workflow

SECONDS, HEIGHT = 4, 180
C, FOLDER = "film-001", "films/film-001"
CLEAR, DRM = "77a3f0a2-8d1e-4b1c-9a52-1f6f0d3c2b85", "9529e5b3-14f0-4b3a-bb9c-97f5615a0d96"
PARKED = 1594039706


def make_films(folder):
    """high.mp4 (two audio tracks) and low.mp4 (pictures alone)."""
    trio.run(_make, Bench(partial(run_process, cwd=folder), folder))


async def _make(bench):
    high = bench.folder / "high.mp4"
    await make_film(bench.run, high, SECONDS, height=HEIGHT)
    small = ("-map", "0:v", "-vf", "scale=160:90", "-c:v", "libx264", "-preset", "veryfast")
    keys = ("-force_key_frames", "expr:gte(t,n_forced*2)", "-sc_threshold", "0", "-b:v", "60k")
    await ffmpeg(bench, *source(high), *small, *keys, "-f", "mp4", f"file:{bench.folder}/low.mp4")


class StoredJob(WorkflowJob):
    """`films` is a folder of what make_films() makes."""

    def __init__(self, name, tmp_path, films, **defaults):
        given = {"content_id": C, "source_folder": FOLDER, **defaults}
        super().__init__(workflow(name), tmp_path, given)
        self.films, self.output = films, tmp_path / "output"
        self.asset = self.output / FOLDER
        self.asset.mkdir(parents=True, exist_ok=True)

    async def package(self, *tags, drm=("cenc", "widevine"), **more):
        """Put sets into the asset's folder; the first one is active, others are parked."""
        context, _ = fake_context(self.tmp_path, job_id=1, task="package")
        for name in ("high.mp4", "low.mp4"):
            (context.scratch / name).unlink(missing_ok=True)
            (context.scratch / name).symlink_to(self.films / name)
        bench = Bench(context.run, context.scratch)
        found = [await probe(bench, context.scratch / name) for name in ("high.mp4", "low.mp4")]
        tracks = arrange([track for media in found for track in media.tracks])
        folder = await context.open_folder("local", "output_root", FOLDER)
        keys = await keys_for(context.keys, asset_name(folder, C))
        for tag in tags:
            guid, epoch = CLEAR if tag == "nodrm" else DRM, None if tag == tags[0] else PARKED
            name = SetName(C, tag, guid, epoch)
            needed = {"drm": drm, "keys": keys} if tag == "drm" else {}
            made = await build_set(bench, tracks, name, guid=context.guid, **needed, **more)
            for file in made.files:
                (made.folder / file).rename(self.asset / file)

    def files(self, folder=None):
        top = folder or self.asset
        return {str(one.relative_to(top)) for one in top.rglob("*") if one.is_file()}


async def numbers(path, height=HEIGHT, *options):
    """The number of each picture of a file of the film's."""
    folder = Path(path).parent
    bench = Bench(partial(run_process, cwd=folder), folder.parent)
    return await numbers_of(bench, path, height, *options)
