"""One job of each workflow on an asset of ours, over a whole engine: callbacks, files, refusals."""

from functools import partial
from pathlib import Path

import pytest
import trio
from PIL import Image

from taskengine.demo.receiver import running_receiver
from taskengine.demo.site import running_site
from taskengine.media.sample import BITS, make_film, read_codes
from taskengine.runtime.process import run_process
from tests.capture.film import beeps
from tests.support.serving import ended_job, lines_of, post_job, serving

HEIGHT, BAR = 180, 12  # rows, of a picture and of its bar code
ASSET = "films/film-1"


class Engine:
    """Runs jobs and tells their callbacks."""

    def __init__(self, client, receiver):
        self.client, self.receiver = client, receiver

    async def __call__(self, workflow, **parameters):
        """The job's callback, and the last one of its tasks."""
        urls = self.receiver.urls[:1]
        given = {"content_id": "film-1", "rest_endpoints": urls, **parameters}
        job_id = await post_job(self.client, workflow, **given)
        job = await ended_job(self.client, job_id, 120)
        assert job["failed"] is False, await lines_of(self.client, job_id)
        with trio.fail_after(30):
            while not any("status" in one.body for one in self.receiver.of_job(job_id, "/first")):
                await trio.sleep(0.05)
        *_, task, end = [one.body for one in self.receiver.of_job(job_id, "/first")]
        assert end["content_id"] == "film-1"
        return end, task

    async def refused(self, workflow, **parameters):
        body = {"client": "acme", "job": {"workflow": workflow}, "parameters": parameters}
        answer = await self.client.post("/job", json=body)
        assert answer.status_code == 400
        return answer.json()["error"]


@pytest.fixture
async def film(tmp_path):
    folder = tmp_path / "var/input/film-1"
    folder.mkdir(parents=True)
    await make_film(partial(run_process, cwd=tmp_path), folder / "film.mp4", 4, height=HEIGHT)


def number(path):
    with Image.open(path) as image:
        bar = image.convert("L").crop((0, 0, image.width, BAR))
        return read_codes(bar.resize((BITS, 1), Image.Resampling.BOX).tobytes())


async def test_a_job_of_each(tmp_path, film):
    data = tmp_path / "var"
    output = data / "output"
    asset = output / ASSET
    (tmp_path / "live").mkdir()
    async with (
        running_receiver() as receiver,
        running_site(tmp_path / "live", output) as site,
        serving(data) as (_, client),
    ):
        engine = Engine(client, receiver)
        end, _ = await engine("vodstream", source_folder="film-1", output_folder=ASSET)
        master = Path(end["message"]).with_suffix(".m3u8")
        url = f"{site.url}/output/{ASSET}/{master.name}"
        await on_the_stream(engine, url, output)
        await on_the_asset(engine, asset)
        await deleting(engine, asset)
        error = await engine.refused("capture_frame", content_id="film-1", source=url)
        assert "frame_time: required" in error
        assert "folder" in await engine.refused("voddelete", content_id="film-1", folder="..")


async def on_the_stream(engine, url, output):
    place = {"source": url, "output_folder": "out"}
    end, _ = await engine(
        "capture_frame", frame_time="00:00:03.12", image_filename="a.png", **place
    )
    assert (end["message"], end["files"]) == ("a.png", [f"{output}/out/a.png"])
    assert number(output / "out/a.png") == [78]
    shape = {"start_at": 1, "duration": 1, "height": HEIGHT, "fps": 5, "gif_filename": "a.gif"}
    dash = {**place, "source": url.replace(".m3u8", ".mpd")}
    end, _ = await engine("generate_gif", **dash, **shape)
    assert (end["message"], end["files"]) == ("a.gif", [f"{output}/out/a.gif"])
    assert number(output / "out/a.gif") == [25]
    end, _ = await engine("build_thumbnails", preview_thumbnails_interval=2, **place)
    assert end["message"] == [f"{output}/out/film-1_sprite.{kind}" for kind in ("jpg", "vtt")]
    with Image.open(output / "out/film-1_sprite.jpg") as sprite:
        assert sprite.size == (320, 90)


async def on_the_asset(engine, asset):
    end, _ = await engine("createmp4", source_folder=ASSET, mp4_filename="film.mp4")
    assert (end["message"], end["files"]) == ("film.mp4", [f"{asset}/film.mp4"])
    assert beeps(asset / "film.mp4") == pytest.approx(range(4), abs=0.025)
    before = {path.name for path in asset.iterdir()}
    end, _ = await engine("trickplay", source_folder=ASSET, trickplay_thumbnail_interval=1)
    names = {path.name for path in asset.iterdir()}
    assert {name.rpartition("/")[2] for name in end["files"]} <= names
    kept = {"film.mp4", "film-1.json", "film-1_thumbnail.jpg"}
    assert {name for name in names & before if not name.endswith(".ismv")} == kept
    assert any("_tiles_1.jpg" in name for name in names)


async def deleting(engine, asset):
    chosen = [f"{ASSET}/film.mp4", "out/a.gif", "out/none.gif"]
    top = str(asset).removesuffix(ASSET)
    end, task = await engine("asset_delete", files=chosen)
    assert end["message"] == [f"{top}{name}" for name in chosen]
    assert (task["event"], task["files"]) == ("complete", end["message"][:2])
    assert not (asset / "film.mp4").exists()
    end, _ = await engine("voddelete", folder=ASSET)
    assert end["message"] == ASSET
    assert not asset.exists()
    assert {path.name for path in asset.parents[1].rglob("*.*")} == {
        "a.png",
        "film-1_sprite.jpg",
        "film-1_sprite.vtt",
    }
