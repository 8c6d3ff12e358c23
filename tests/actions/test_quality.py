"""Quality of renditions, measured by real filters, and gates that stop publishing."""

import json
from functools import partial

import imageio_ffmpeg
import pytest
import trio

from taskengine.media.ffmpeg import QUIET
from taskengine.media.quality import summary
from taskengine.media.tools import bundled_tools
from taskengine.model import BadInput, PermanentFailure
from taskengine.runtime.process import run_process
from tests.actions.jobs import WorkflowJob, workflow

WORKFLOW = workflow("vodstream")
DEFAULTS = {
    "content_id": "c",
    "source_folder": "in",
    "output_folder": "out",
    "encode_source": True,
    "create_thumbnail": False,
    "create_dref": False,
}
PICTURE = "testsrc2=s=480x270:r=25:d=3,noise=alls=100:allf=t:enable='between(t,1,1.99)'"


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """Three seconds, of which the second one is noise that no encoder can keep."""
    folder = tmp_path_factory.mktemp("noise")
    command = [bundled_tools().ffmpeg, *QUIET, "-f", "lavfi", "-i", PICTURE]
    command += ["-f", "lavfi", "-i", "sine=d=3", "-c:v", "libx264", "-crf", "4", "-preset"]
    command += ["ultrafast", "-c:a", "aac", "film.mp4"]
    trio.run(partial(run_process, command, cwd=folder))
    return folder / "film.mp4"


@pytest.fixture
def job(tmp_path, film):
    job = WorkflowJob(WORKFLOW, tmp_path, DEFAULTS)
    source = tmp_path / "input/in"
    source.mkdir(parents=True)
    (source / "film.mp4").write_bytes(film.read_bytes())
    return job


async def test_measures_of_all_renditions_are_in_the_callback_and_the_record(job, tmp_path):
    gates = {"xpsnr": {"minimum": 15}, "psnr": {"worst_second": 10}, "ssim": {}}
    extras = await job(quality=gates)
    told = extras["metadata"]["quality"]
    assert [(one["track"], one["width"], one["height"]) for one in told] == [
        ("video", 480, 270),
        ("video_2", 426, 240),
    ]
    for name in gates:
        best, other = (one[name] for one in told)
        assert best["mean"] > other["mean"]
        for one in (best, other):
            assert one["worst_second"]["second"] == 1
            assert one["mean"] > one["worst_second"]["value"] > 0
    assert 0 < told[0]["ssim"]["mean"] <= 1
    record = json.loads((tmp_path / "output/out/c.json").read_text())
    assert record["quality"] == told
    assert sum(line.startswith("Quality of ") for _, line in job.lines) == 6


@pytest.mark.parametrize(
    ("gate", "missed"),
    [({"minimum": 90}, "minimum 90"), ({"worst_second": 90, "minimum": 1}, "worst_second 90")],
)
async def test_what_is_not_good_enough_is_not_published(job, tmp_path, gate, missed):
    with pytest.raises(PermanentFailure) as failed:
        await job(quality={"xpsnr": gate})
    told = str(failed.value)
    assert told.startswith("quality: video, 480x270: xpsnr is ")
    assert f"in its worst second, at 00:00:01.000; expected {missed}" in told
    assert "publish" not in job.results
    assert not (tmp_path / "output/out").exists()


async def test_vmaf_is_taken_by_an_ffmpeg_that_has_it_and_refused_at_once_without(job):
    with pytest.raises(PermanentFailure, match=r"^quality\.vmaf: the ffmpeg of this engine has no"):
        await job(quality={"vmaf": {}})
    assert not job.results
    job.context["vmaf_ffmpeg"] = imageio_ffmpeg.get_ffmpeg_exe()
    extras = await job(quality={"vmaf": {"minimum": 20}})
    best, other = (one["vmaf"] for one in extras["metadata"]["quality"])
    assert 100 >= best["mean"] > other["mean"] > 0
    assert best["worst_second"]["second"] == 1


@pytest.mark.parametrize(
    ("quality", "field"),
    [
        ({}, "quality"),
        ({"magic": {}}, "quality.magic"),
        ({"vmaf": 93}, "quality.vmaf"),
        ({"xpsnr": {"minimum": -1}}, "quality.xpsnr.minimum"),
        ({"ssim": {"worst_second": 30}}, "quality.ssim.worst_second"),
        ({"psnr": {"least": 30}}, "quality.psnr.least"),
    ],
)
def test_a_gate_that_says_nothing_is_refused_by_its_field(job, quality, field):
    with pytest.raises(BadInput, match=rf"^parameters\.{field}: "):
        job.begin(quality=quality)


async def test_nothing_is_measured_without_an_encoder(job):
    extras = await job(encode_source=False, quality={"vmaf": {}})
    [line] = job.warned()
    assert line.startswith("quality: nothing is encoded without encode_source")
    assert "quality" not in extras["metadata"]


def test_the_worst_second_has_the_least_mean():
    found = summary([0, 0, 1, 1, 2], [40, 20, 35, 10, 30])
    assert (found.mean, found.worst, found.second) == (27, 22.5, 1)
