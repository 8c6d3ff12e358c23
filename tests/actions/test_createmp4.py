"""The workflow createmp4, run from its file: of which assets, with which tracks."""

import pytest

from taskengine.media.tools import bundled_tools
from taskengine.model import BadInput, PermanentFailure
from taskengine.storage.local import LocalStorage
from tests.actions.jobs import Flaky, Labelled
from tests.actions.stored_assets import SECONDS, C, StoredJob, numbers
from tests.capture.film import beeps, ffmpeg, run

SMIL = """<?xml version="1.0" encoding="utf-8"?>
<smil xmlns="http://www.w3.org/2001/SMIL20/Language"><head/><body><switch>
  <video src="movie.ismv" systemBitrate="400000"><param name="trackID" value="1"/></video>
  <audio src="movie.ismv" systemBitrate="64000" systemLanguage="deu">
    <param name="trackID" value="3"/></audio>
</switch></body></smil>
"""


@pytest.fixture
def job(tmp_path, films):
    return StoredJob("createmp4", tmp_path, films)


def streams(path):
    """The types of its streams, and the languages of those with sound."""
    shown = ("-v", "error", "-show_entries", "stream=codec_type:stream_tags=language")
    said = run(bundled_tools().ffprobe, *shown, "-of", "csv=p=0", path).decode().split()
    return [one.removesuffix(",und") for one in said]


async def check(path):
    assert await numbers(path) == list(range(25 * SECONDS))
    assert beeps(path) == pytest.approx(range(SECONDS), abs=0.025)


async def test_the_best_picture_and_sound_of_an_asset_of_ours(job):
    await job.package("drm", "nodrm")
    before = job.files()
    extras = await job()
    made = job.asset / f"{C}.mp4"
    assert extras == {"message": made.name, "files": [str(made)]}
    assert streams(made) == ["video", "audio,eng"]
    assert job.files() - before == {made.name}
    await check(made)


async def test_a_mezzanine_has_all_tracks(job):
    await job.package("nodrm")
    extras = await job(mezzanine=True, mp4_filename="all.mp4", output_folder="/dl/")
    made = job.output / "dl/all.mp4"
    assert extras == {"message": "all.mp4", "files": [str(made)]}
    assert streams(made) == ["video", "video", "audio,eng", "audio,deu"]
    await check(made)


async def test_an_asset_with_drm_alone_is_opened_with_its_own_keys(job):
    await job.package("drm", drm=["fairplay", "cenc"])
    await job()
    await check(job.asset / f"{C}.mp4")
    for key in (job.tmp_path / "keys").iterdir():
        key.unlink()
    with pytest.raises(PermanentFailure, match=r"the keys of .* are not stored"):
        await job()


async def test_a_server_manifest_from_elsewhere_says_which_tracks_of_a_file(job):
    (job.asset / "movie.ism").write_text(SMIL)
    shape = ("-c", "copy", "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-f", "mp4")
    ffmpeg("-i", job.films / "high.mp4", "-map", "0", *shape, job.asset / "movie.ismv")
    await job()
    made = job.asset / f"{C}.mp4"
    assert streams(made) == ["video", "audio,deu"]
    assert await numbers(made) == list(range(25 * SECONDS))


@pytest.mark.parametrize("kind", ["m3u8", "mpd"])
async def test_manifests_of_streams_from_elsewhere_are_read_from_their_folder(job, kind):
    await job.package("nodrm")
    for path in job.asset.iterdir():
        if path.suffix in (".ism", ".m3u8", ".mpd") and path.name.startswith(f"{C}_nodrm"):
            path.rename(job.asset / f"master{path.suffix}")
    for path in job.asset.glob("master.*"):
        if path.suffix != f".{kind}":
            path.unlink()
    await job()
    await check(job.asset / f"{C}.mp4")


async def test_a_folder_of_plain_files(job, films):
    (job.asset / "A film.MP4").write_bytes((films / "high.mp4").read_bytes())
    await job()
    await check(job.asset / f"{C}.mp4")
    with pytest.raises(PermanentFailure, match=r"A film\.MP4 is part of the asset"):
        await job(mp4_filename="A film.MP4")


async def test_a_job_that_is_repeated_leaves_one_file(job):
    await job.package("nodrm")
    job.begin()
    await job.task("create_mp4")
    await job.task("create_mp4", attempt=2)
    await job.task("publish", attempt=2)
    once = job.files()
    await job.task("publish", attempt=3)
    await job()
    assert job.files() == once


async def test_fetching_is_tried_again_as_often_as_wanted(job, tmp_path, monkeypatch):
    monkeypatch.setattr("taskengine.actions.materials.LONGEST_PAUSE", 0)
    await job.package("nodrm")
    job.begin(retries=1)
    with pytest.raises(OSError, match="flaky"):
        await job.task("create_mp4", storages={"local": Flaky([tmp_path], 2)})
    await job.task("create_mp4", attempt=2, storages={"local": Flaky([tmp_path], 1)})
    assert any("trying again" in line for line in job.warned())


async def test_the_result_may_go_to_another_storage(job, tmp_path):
    await job.package("nodrm")
    job.begin(destination_storage="S3", output_folder="dl")
    storages = {"local": LocalStorage([tmp_path]), "S3": Labelled([tmp_path])}
    for name in job.workflow.names:
        await job.task(name, storages=storages)
    assert any(f"S3 folder: {job.output}/dl, File {C}.mp4" in text for _, text in job.lines)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"content_id": "other"}, "holds film-001, not other"),
        ({"source_folder": "absent"}, "no such folder"),
        ({"source_folder": "empty"}, "has no asset in it"),
        ({"mp4_filename": "x.ism"}, "part of the asset"),
    ],
)
async def test_jobs_that_cannot_succeed_say_why(job, more, reason):
    await job.package("nodrm")
    (job.output / "empty").mkdir()
    (job.output / "empty/words.txt").write_text("x")
    before = job.files(job.output)
    with pytest.raises(PermanentFailure, match=reason):
        await job(**more)
    assert job.files(job.output) == before


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"mp4_filename": "a/b.mp4"}, "mp4_filename"),
        ({"content_id": "a/b"}, "content_id"),
        ({"source_folder": ".."}, "source_folder"),
        ({"output_folder": "a/../.."}, "output_folder"),
        ({"retries": -1}, "retries"),
        ({"source_storage": "ftp"}, "source_storage"),
        ({"destination_storage": "disk"}, "destination_storage"),
        ({"mezzanine": "perhaps"}, "mezzanine"),
    ],
)
def test_what_is_not_honoured_is_refused(job, more, reason):
    with pytest.raises(BadInput, match=reason):
        job.begin(**more)
