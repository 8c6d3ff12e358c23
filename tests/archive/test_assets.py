"""The workflow vodnpvr, run from its file on an archive of a small stream."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import trio
from defusedxml.ElementTree import fromstring

from taskengine.model import BadInput, FenceMoved, PermanentFailure
from tests.actions.jobs import WorkflowJob, workflow
from tests.archive.jobs import ArchiveJob, AssetJob, named_files, utc
from tests.capture.film import beeps, numbers
from tests.capture.jobs import captured
from tests.capture.origin import Answered
from tests.media import players

DASH = "{urn:mpeg:dash:schema:mpd:2011}"
HLS = ("-allowed_extensions", "ALL")
PROFILE = {"profile_id": "p1", "drm": ["cenc"], "key_id": "ab" * 16, "content_key": "cd" * 16}


@pytest.fixture(scope="session")
def recorded(tmp_path_factory, stream):
    """A folder with an archive, which is never changed."""
    folder = tmp_path_factory.mktemp("recorded")
    trio.run(ArchiveJob(folder, *stream))
    return folder


@pytest.fixture
def asset(tmp_path, recorded):
    shutil.copytree(recorded / "input", tmp_path / "input", copy_function=os.link)
    return AssetJob(tmp_path)


def frames(job, tag="nodrm", name="one"):
    """The numbers of the pictures of each rendition."""
    found = sorted(players.renditions(job.manifest("m3u8", tag, name)))
    return [numbers(one) for one in found if "_v" in one.name]


def clip(start, end):
    return {"capture_id": "chan-4", "start": utc(start), "end": utc(end)}


def segments_of(archive, *tracks):
    return [path for path in archive.rglob("*.m4s") if path.parent.name in tracks]


async def test_an_asset_shows_the_whole_segments_of_its_range(asset):
    result = await asset(utc("3.4"), utc("11.8"))
    assert frames(asset) == [list(range(75, 300))] * 2
    [sound] = [one for one in players.renditions(asset.manifest("m3u8")) if "_a" in one.name]
    assert len(beeps(sound, *HLS)) == 10
    assert result["message"] == str(asset.manifest("ism"))
    assert result["metadata"] == {"duration": 9.0, "gaps": []}
    folder = asset.manifest("ism").parent
    told = {Path(name).name for name in [*result["files"], *result["segments"]]}
    assert told == set(asset.files())
    assert len(result["segments"]) == 27
    assert asset.warned() == []
    assert {Path(name).parent for name in result["segments"]} == {folder}


async def test_segments_are_links_to_those_of_the_archive(asset, tmp_path):
    await asset(utc(3), utc(6))
    stored = {path.stat().st_ino for path in (tmp_path / "input").rglob("*.m4s")}
    links = list((tmp_path / "output/npvr/one").glob("*.m4s"))
    assert len(links) == 9
    assert {path.stat().st_ino for path in links} <= stored


async def test_dash_shows_the_same(asset, tmp_path):
    await asset.clips([clip(3, 6), clip(9, 11)])
    mpd = asset.manifest("mpd")

    def answer(path):
        found = mpd.parent / path.rpartition("/")[2]
        return Answered(200, found.read_bytes()) if found.is_file() else Answered(404)

    result = await captured(tmp_path / "cut", answer, [{"source": f"http://a.test/{mpd.name}"}])
    assert [numbers(one) for one in result.tracks["video"]] == [
        [*range(75, 150), *range(225, 275)]
    ] * 2
    assert beeps(result.tracks["audio"][0]) == pytest.approx([0, 1, 2, 3, 4], abs=0.03)


async def test_clips_follow_each_other_in_periods_with_discontinuities(asset):
    result = await asset.clips([clip(10, 12), clip(1, 3)])
    root = fromstring(asset.manifest("mpd").read_text())
    periods = list(root.iter(f"{DASH}Period"))
    assert [one.get("start") for one in periods] == ["PT0S", "PT2S"]
    offsets = [one.find(f".//{DASH}SegmentTemplate").get("presentationTimeOffset")
               for one in periods]  # fmt: skip
    assert offsets == [str(10 * 12800), str(12800)]
    for playlist in players.renditions(asset.manifest("m3u8")):
        assert playlist.read_text().count("#EXT-X-DISCONTINUITY\n") == 1
    assert result["metadata"]["duration"] == 4.0


async def test_every_file_that_manifests_name_is_there(asset):
    await asset(utc(2), utc(13), drm=["clear", "cenc", "fairplay"])
    check_complete(asset.manifest("ism", "drm").parent)


def check_complete(folder):
    """All names in all manifests of a folder lead to files of it, and no file is not named."""
    there, named = {path.name for path in folder.iterdir()}, set()
    for path in folder.iterdir():
        text = path.read_text("utf-8") if path.suffix in NAMING else ""
        if ".m3u8" in path.name:
            named |= {name for name in named_files(path) if ":" not in name}
        elif ".mpd" in path.name:
            named |= set(of_mpd(text))
    assert named <= there
    assert {name for name in there if name.endswith((".m4s", ".mp4"))} <= named


NAMING = {".m3u8", ".mpd", ".nodrm", ".drm"}


def of_mpd(text):
    for template in fromstring(text).iter(f"{DASH}SegmentTemplate"):
        yield template.get("initialization")
        number = int(template.get("startNumber"))
        for one in template.iter(f"{DASH}S"):
            for _ in range(int(one.get("r", "0")) + 1):
                yield template.get("media").replace("$Number%06d$", f"{number:06}")
                number += 1


async def test_gaps_are_told_and_left_out(asset, tmp_path):
    [lost] = [one for one in segments_of(tmp_path, "video-1") if "_7_" in one.name]
    lost.unlink()
    result = await asset(utc(4), utc(10))
    assert frames(asset) == [[*range(100, 150), *range(175, 250)]] * 2
    assert result["metadata"]["gaps"] == [{"clip": 0, "from": utc(6), "to": utc(7)}]
    assert result["metadata"]["duration"] == 5.0
    assert any("is missing (1.000 s)" in line for line in asset.warned())
    check_complete(asset.manifest("ism").parent)


async def test_more_than_may_be_missing_fails_the_job(asset, tmp_path):
    for number in ("_7_", "_8_"):
        for one in segments_of(tmp_path, "audio-1"):
            if one.name.split("_")[2] == number.strip("_"):
                one.unlink()
    with pytest.raises(PermanentFailure, match=r"2\.000 s are missing in 1 gaps"):
        await asset(utc(4), utc(10), missing_content_limit=1.5)
    await asset(utc(4), utc(10), missing_content_limit=2)
    assert not (tmp_path / "output/npvr/two").exists()


async def test_what_the_archive_lacks_at_either_end_is_missing_too(asset):
    with pytest.raises(PermanentFailure, match=r"14\.000 s are missing"):
        await asset(utc(10), utc(30))
    with pytest.raises(PermanentFailure, match="has nothing of its range"):
        await asset(utc(100), utc(130))


async def test_encrypted_segments_are_made_once_and_shared(asset, tmp_path):
    await asset(utc(2), utc(9), drm=["cenc", "widevine", "fairplay"])
    await asset(utc(4), utc(11), name="two", drm=["cenc", "fairplay"], job_id=8)
    stored = {path.stat().st_ino for path in (tmp_path / "input").rglob("*.m4s")}
    for name in ("one", "two"):
        links = list((tmp_path / "output/npvr" / name).glob("*.m4s"))
        assert {path.stat().st_ino for path in links} <= stored
    copies = segments_of(tmp_path / "input", "video-1")
    assert len(copies) == 16 + 2 * 9  # those of both ranges, for each scheme
    assert not list((tmp_path / "output/npvr").rglob("*_nodrm_*"))


async def test_protected_segments_decode_with_the_key_of_the_archive(asset, tmp_path):
    await asset(utc(2), utc(9), drm=["cenc", "fairplay"])
    text = asset.manifest("mpd", "drm").read_text()
    [kid] = set(re.findall(r'default_KID="([0-9a-f-]+)"', text))
    keys = [json.loads(one.read_text()) for one in (tmp_path / "keys").iterdir()]
    key = next(one["key"] for one in keys if one["key_id"] == kid.replace("-", ""))
    folder = asset.manifest("mpd", "drm").parent
    by_dash = {name.rpartition("_0")[0] for name in of_mpd(text) if name.endswith(".m4s")}
    by_hls = {path.stem for path in players.renditions(asset.manifest("m3u8", "drm"))}
    assert by_dash.isdisjoint(by_hls)
    for stem in by_dash | by_hls:
        parts = [folder / f"{stem}.mp4", *sorted(folder.glob(f"{stem}_*.m4s"))]
        whole = tmp_path / "whole.mp4"
        whole.write_bytes(b"".join(part.read_bytes() for part in parts))
        assert players.decoded(whole, key) == pytest.approx(7, abs=1.1)
        with pytest.raises(players.Undecodable):
            players.decoded(whole, "00" * 16)


async def test_a_profile_of_the_archive_has_a_manifest_of_its_own(asset, tmp_path, stream):
    await ArchiveJob(tmp_path, *stream)(profiles=[PROFILE])
    result = await asset(utc(2), utc(5), apply_custom_drm=True, profile_id="p1",
                         custom_manifest_name="own.ism")  # fmt: skip
    folder = tmp_path / "output/npvr/one"
    assert {"own.ism", "own.m3u8", "own.mpd"} <= set(asset.files())
    assert result["message"] == str(asset.manifest("ism"))
    assert "abababab-abab-abab-abab-abababababab" in (folder / "own.mpd").read_text()
    check_complete(folder)
    with pytest.raises(PermanentFailure, match=r"p2 is no profile of its archive \(p1\)"):
        await asset(utc(2), utc(5), apply_custom_drm=True, profile_id="p2", job_id=8)


async def test_segments_can_be_written_again_instead(asset, tmp_path):
    await asset(utc(2), utc(5), overwrite_segments=True)
    links = list((tmp_path / "output/npvr/one").glob("*.m4s"))
    assert {path.stat().st_nlink for path in links} == {1}
    assert frames(asset) == [list(range(50, 125))] * 2


async def test_a_job_that_is_repeated_leaves_one_asset(asset, tmp_path):
    await asset(utc(2), utc(9), drm=["clear", "cenc"])
    before = asset.files()
    await asset(utc(2), utc(9), drm=["clear", "cenc"], job_id=8)
    after = asset.files()
    assert len(after) == len(before)
    assert set(after).isdisjoint(set(before) - {"one.json"})
    check_complete(tmp_path / "output/npvr/one")
    assert frames_of_parked(asset) == list(range(50, 225))


def frames_of_parked(job):
    folder = job.manifest("ism", "drm").parent
    playlists = [one for one in folder.glob("*_v1.m3u8") if "EXT-X-KEY" not in one.read_text()]
    return numbers(playlists[0])


@pytest.mark.parametrize("lost", ["select", "package_clear", "package_drm", "share", "publish"])
async def test_what_an_attempt_began_another_one_ends(asset, tmp_path, lost):
    """The first one is killed at its end, before anybody hears of that, or while it publishes."""
    asset.begin([clip(2, 9)], drm=["clear", "cenc"])
    for name in asset.workflow.names:
        if name == lost:
            with trio.CancelScope() as scope, pytest.raises(BaseException):  # noqa: B017, PT011
                await asset.task(name, refusal=FenceMoved("killed"))
                scope.cancel()
                await trio.lowlevel.checkpoint()
        await asset.task(name, attempt=2 if name == lost else 1)
    undisturbed = AssetJob(tmp_path)
    await undisturbed(utc(2), utc(9), name="two", drm=["clear", "cenc"], job_id=8)
    assert len(asset.files()) == len(undisturbed.files("two"))
    check_complete(tmp_path / "output/npvr/one")


async def test_deleting_an_asset_leaves_those_that_share_its_segments(asset, tmp_path):
    await asset(utc(2), utc(9))
    await asset(utc(4), utc(11), name="two", job_id=8)
    deleting = WorkflowJob(workflow("voddelete"), tmp_path)
    deleting.prepare({"content_id": "one", "folder": "npvr/one"})
    await deleting.run()
    shutil.rmtree(tmp_path / "input/archive")
    assert not (tmp_path / "output/npvr/one").exists()
    assert frames(asset, name="two") == [list(range(100, 275))] * 2
    check_complete(tmp_path / "output/npvr/two")


async def test_an_asset_made_of_shared_segments_can_be_made_an_mp4(asset, tmp_path):
    await asset(utc(2), utc(9))
    job = WorkflowJob(workflow("createmp4"), tmp_path)
    job.prepare({"content_id": "one", "source_folder": "npvr/one", "output_folder": "mp4"})
    await job.run()
    assert numbers(tmp_path / "output/mp4/one.mp4") == list(range(50, 225))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"clips": [{"capture_id": "chan-4", "start": utc(1)}]}, "clips[0].end: required"),
        ({"clips": [{**clip(1, 2), "end": "00:00:09"}]}, "end: expected a UTC time"),
        ({"apply_custom_drm": True}, "profile_id: required"),
        ({"custom_manifest_name": "own.mpd"}, "custom_manifest_name: expected"),
        ({"drm": ["aes"]}, "AES-128 would make segments that no two assets share"),
        ({"source_storage": "S3"}, "source_storage: refused: archives lie on local storage"),
        ({"destination_storage": "azure_blob"}, "destination_storage: refused: assets share"),
        ({"custom_package_options": "--fast"}, "custom_package_options: expected one of"),
        ({"missing_content_limit": -1}, "missing_content_limit"),
        ({"remote_execute_timeout_seconds": -1}, "remote_execute_timeout_seconds"),
        ({"transcode_proxy": "http://a.test"}, "transcode_proxy: refused: segments are taken"),
    ],
)
def test_what_vodnpvr_does_not_honour_is_refused(asset, more, reason):
    with pytest.raises(BadInput) as refused:
        asset.begin(more.pop("clips", [clip(1, 2)]), **more)
    assert reason in str(refused.value)


def test_the_job_waits_for_its_last_clip(asset):
    assert asset.workflow.clips == {"from": "clips", "start": "start", "end": "end"}
