"""The workflow trickplay, run from its file: what an asset has afterwards, and what is gone."""

import pytest
from PIL import Image

from taskengine.media.naming import parse_name
from taskengine.model import BadInput, PermanentFailure
from tests.actions.stored_assets import CLEAR, FOLDER, HEIGHT, SECONDS, C, StoredJob, numbers
from tests.media import players

HLS = ("-allowed_extensions", "ALL")


@pytest.fixture
def job(tmp_path, films):
    return StoredJob("trickplay", tmp_path, films)


def manifests(job, folder=None):
    """Active ones by their kind and extension."""
    found = {}
    for name in job.files(folder):
        if (said := parse_name(C, name)) is not None:
            found[said.tag, said.active, said.extension] = (folder or job.asset) / name
    return found


async def check_pictures(master):
    [playlist] = [one for one in players.renditions(master) if one.name.endswith("_v1.m3u8")]
    assert await numbers(playlist, HEIGHT, *HLS) == list(range(25 * SECONDS))


async def test_an_asset_has_keyframes_and_thumbnails_in_all_its_sets(job):
    await job.package("nodrm", "drm", dref=True)
    beside = {f"{C}_thumbnail.jpg", f"{C}_{CLEAR}.ismv"}
    for name in beside:
        (job.asset / name).write_text(name)
    before = job.files()
    extras = await job(trickplay_thumbnail_size=160, trickplay_thumbnail_interval=1)
    assert {path.rpartition("/")[2] for path in extras["files"]} == job.files() - beside
    assert job.files() & before == beside
    assert extras["metadata"]["duration"] == pytest.approx(SECONDS, abs=0.05)
    made = manifests(job)
    assert len(made) == 6
    for tag, active in (("nodrm", True), ("drm", False)):
        master = made[tag, active, "m3u8"].read_text()
        mpd = made[tag, active, "mpd"].read_text()
        assert "#EXT-X-I-FRAME-STREAM-INF" in master
        assert "#EXT-X-IMAGE-STREAM-INF" in master
        assert "trickmode" in mpd
        assert "thumbnail_tile" in mpd
    await check_pictures(made["nodrm", True, "m3u8"])
    image = next(job.asset.glob("*_tiles_1.jpg"))
    with Image.open(image) as tiles:
        assert tiles.size == (160 * 5, 90 * 5)


async def test_without_thumbnails_there_are_keyframes_alone(job):
    await job.package("nodrm")
    await job(trickplay_thumbnails=False)
    master = manifests(job)["nodrm", True, "m3u8"].read_text()
    assert "#EXT-X-I-FRAME-STREAM-INF" in master
    assert list(job.asset.glob("*.jpg")) == []


async def test_a_job_that_is_repeated_leaves_one_asset(job):
    await job.package("drm")
    await job()
    once = job.files()
    job.context["job_id"] = 8
    await job()
    twice = job.files()
    assert len(twice) == len(once)
    assert once & twice == {f"{C}.json"}
    assert {(tag, active) for tag, active, _ in manifests(job)} == {("drm", True)}


@pytest.mark.parametrize(
    ("drm", "found"),
    [
        (["widevine"], ["widevine"]),
        (["cenc"], ["cenc"]),
        (["fairplay", "playready"], ["fairplay", "playready"]),
        (["fairplay", "cenc", "widevine"], ["cenc", "fairplay", "widevine"]),
        (["aes"], ["aes", "cenc"]),  # its main manifests are those of cenc
    ],
    ids=",".join,
)
async def test_systems_of_an_asset_are_those_that_it_was_made_for(job, drm, found):
    await job.package("drm", drm=drm)
    job.begin()
    await job.task("inspect_asset")
    assert job.results["inspect_asset"]["drm"] == found


async def test_what_an_attempt_began_another_one_ends(job):
    await job.package("nodrm")
    (job.asset / "leap.gif").write_text("mine")
    job.begin()
    for name in job.workflow.names[:-1]:
        await job.task(name)
    await job.task("publish", attempt=2)
    halfway = manifests(job)
    next(iter(job.asset.glob("*_v1.mp4"))).unlink(missing_ok=False)
    await job.task("remove_replaced", attempt=1)
    first = job.files(), job.results["remove_replaced"]
    await job.task("remove_replaced", attempt=2)
    assert job.files() == first[0]
    assert "leap.gif" in job.files()
    assert len(halfway) > len(manifests(job))


async def test_the_result_may_go_to_another_folder(job):
    await job.package("nodrm")
    before = job.files()
    await job(output_folder="films/new")
    assert job.files() == before
    assert len(manifests(job, job.output / "films/new")) == 3


async def test_assets_from_elsewhere_are_packaged_beside_what_they_were(job):
    await job.package("nodrm")
    for path in list(job.asset.iterdir()):
        if path.name.startswith(f"{C}_nodrm"):
            path.rename(job.asset / f"master{path.suffix}")
    (job.asset / "master.ism").unlink()
    before = job.files()
    await job()
    assert before < job.files()
    await check_pictures(manifests(job)["nodrm", True, "m3u8"])


async def test_other_codecs_are_refused(job, films):
    (job.asset / "sound.m4a").write_bytes((films / "high.mp4").read_bytes()[:0])
    with pytest.raises(PermanentFailure, match="is empty"):
        await job()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"trickplay_thumbnail_size": -1}, "trickplay_thumbnail_size"),
        ({"trickplay_thumbnail_interval": 0}, "trickplay_thumbnail_interval"),
        ({"trickplay_thumbnail_quality": 101}, "trickplay_thumbnail_quality"),
        ({"trickplay_thumbnails": "some"}, "trickplay_thumbnails"),
        ({"source_folder": "/"}, "source_folder"),
    ],
)
def test_what_is_not_honoured_is_refused(job, more, reason):
    with pytest.raises(BadInput, match=reason):
        job.begin(**more)


def test_the_defaults_are_those_of_the_specification(job):
    job.begin()
    assert job.values["output_folder"] == FOLDER
    assert (job.values["trickplay_thumbnails"], job.values["trickplay_thumbnail_size"]) == (True, 0)
    interval, quality = "trickplay_thumbnail_interval", "trickplay_thumbnail_quality"
    assert (job.values[interval], job.values[quality]) == (10, 30)
