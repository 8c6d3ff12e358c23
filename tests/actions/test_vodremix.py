"""The workflow vodremix, run from its file on real files and streams."""

import re
import shutil
from contextlib import suppress

import httpx
import pytest
import trio

from taskengine.actions.remix import time_limit
from taskengine.actions.remixed import SourceUnavailable
from taskengine.actors.failures import describe
from taskengine.capture.cues import read_webvtt
from taskengine.model import BadInput, PermanentFailure
from tests.actions.captures import HLS, utc
from tests.actions.remixes import RemixJob, check_result, make_files, url
from tests.capture.film import beeps, numbers


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    return make_files(tmp_path_factory.mktemp("remix-files"))


@pytest.fixture
def job(tmp_path, files, stream):
    return RemixJob(tmp_path, files, stream)


async def test_files_and_streams_are_joined_to_the_frame(job):
    """A trim inside a file, a whole one, and a part of a stream."""
    clips = [
        {"source": url("high.mp4"), "start": "00:00:01.2", "end": "00:00:03.4",
         "frame_accurate": "true"},
        {"source": "http://a.test/master.m3u8", "start": utc("10.4"), "end": utc("12.2"),
         "frame_accurate": True},
        {"source": url("high.mp4")},
    ]  # fmt: skip
    extras = await job(clips)
    expected = [*range(30, 85), *range(260, 305), *range(200)]
    joints = [0.8, 1.8, 2.2 + 0.6, 2.2 + 1.6, *(4 + second for second in range(8))]
    check_result(job, expected, joints)
    made = job.target / "remix.mp4"
    assert numbers(made) == expected
    assert beeps(made) == pytest.approx(joints, abs=0.001)
    assert extras["metadata"] == {"duration": 12}
    assert extras["output"] == extras["files"]
    assert {name.rpartition("/")[2] for name in extras["files"]} == set(job.names())
    assert re.search(r"/remix/one/one_nodrm_[0-9a-f-]{36}\.ism$", extras["message"])
    assert job.warned() == []


async def test_renditions_are_one_clip_and_their_sound_counts_once(job):
    """Two files with pictures, one with a second language; the other clip has one rendition."""
    renditions = {"sources": [url("high.mp4"), url("low.mp4"), url("talk_de.m4a")]}
    cut = {"start": "00:00:02.04", "end": "00:00:03.4", "frame_accurate": True}
    await job([renditions | cut, {"source": url("high.mp4")} | cut])
    expected = [*range(51, 85)] * 2
    pictures = job.playlists()[:2]
    assert [numbers(playlist) for playlist in pictures] == [expected, expected]
    tracks = job.results["cut"]["tracks"]
    assert [(one["type"], one.get("language")) for one in tracks] == [
        *(("video", "und"), ("video", "und")), ("audio", "und"), ("audio", "de"),
    ]  # fmt: skip
    for playlist in job.playlists()[2:]:
        assert beeps(playlist, *HLS)[:1] == pytest.approx([0.96], abs=0.001)
    assert job.warned() == []


async def test_clips_are_made_like_the_one_that_describes_the_output(job):
    """Other sizes, rates and sounds; the model need not come first."""
    cut = {"start": "00:00:01", "end": "00:00:03", "frame_accurate": True}
    wide = {"source": url("wide.mp4")} | cut
    await job([wide, {"source": url("high.mp4"), "output_description": True} | cut, wide])
    [playlist, _] = job.playlists()
    found = numbers(playlist)
    assert found[50:100] == list(range(25, 75))
    for place in (0, 100):
        shown = found[place : place + 50]
        assert shown == sorted(shown)
        assert shown[:3] == [30, 31, 32]
        assert shown[-1] in (88, 89)
    begun = 1.001  # the first picture of the wide film at or after 1 s
    heard = [2 - begun, 3 - begun, 3, 4, 6 - begun, 7 - begun]
    check_result(job, found, [0, *heard[:4], *heard[4:]])
    [video, audio] = job.results["cut"]["tracks"]
    assert (video["width"], video["height"], video["frame_rate"]) == (320, 192, 25)
    assert (audio["sample_rate"], audio["channels"]) == (48_000, 2)


async def test_without_frame_accuracy_whole_segments_are_taken(job):
    await job([{"source": url("high.mp4"), "start": "00:00:01.2", "end": "00:00:03.4"}])
    check_result(job, list(range(100)), range(4))


async def test_a_server_manifest_names_the_files_of_a_clip(job):
    """An asset of our own is a source of the next one."""
    cut = {"start": "00:00:01", "end": "00:00:02", "frame_accurate": True}
    await job([{"source": url("high.mp4")}])
    asset = job.target.rename(job.tmp_path / "asset")
    job.files = asset
    again = RemixJob(job.tmp_path / "again", asset, (job.origin.folder, job.origin.tracks))
    [manifest] = [path.name for path in asset.glob("*.ism")]
    for source in (manifest, manifest.replace(".ism", ".m3u8"), manifest.replace(".ism", ".mpd")):
        await again([{"source": url(source)} | cut])
        check_result(again, list(range(25, 50)), [0])


async def test_protected_results_have_no_clear_copy(job):
    cut = {"start": "00:00:01", "end": "00:00:02", "frame_accurate": True}
    await job([{"source": url("high.mp4")} | cut], drm=["widevine"], output_file="mine.mp4")
    assert "mine.mp4" not in job.names()
    assert not [name for name in job.names() if "_nodrm_" in name]
    assert job.warned() == ["output_file: no MP4 is made, it would be in the clear"]


async def test_the_active_manifest_has_the_name_that_is_asked_for(job):
    job.target.mkdir(parents=True)
    (job.target / "old.mp4").write_bytes(b"old")
    cut = {"start": "00:00:01", "end": "00:00:02", "frame_accurate": True}
    named = {"custom_active_manifest_name": "evening.ism", "output_file": "all.mp4"}
    extras = await job([{"source": url("high.mp4")} | cut], **named)
    assert {"evening.ism", "evening.m3u8", "evening.mpd", "all.mp4"} <= set(job.names())
    assert extras["message"] == str(job.target / "evening.ism")
    assert "old.mp4" not in job.names()
    check_result(job, list(range(25, 50)), [0])


async def test_a_clip_can_be_a_file_of_the_clients_own(job, files, tmp_path):
    """It lies below the input root, under a name that would mean something else in a URL."""
    (tmp_path / "input/in").mkdir(parents=True)
    shutil.copy(files / "high.mp4", tmp_path / "input/in/100% own?.mp4")
    cut = {"start": "00:00:01", "end": "00:00:03", "frame_accurate": True}
    await job([{"local_source": "in/100% own?.mp4", **cut}])
    check_result(job, list(range(25, 75)), range(2))
    assert job.asked == []
    assert (tmp_path / "input/in/100% own?.mp4").exists()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"clips": []}, "clips"),
        ({"clips": [{"source": "ftp://a.test/x"}]}, "an http or https URL"),
        ({"clips": [{"start": "00:00:01"}]}, "exactly one of source, sources, local_source"),
        ({"clips": [{"source": url("a"), "sources": [url("a")]}]}, "exactly one of"),
        ({"clips": [{"source": url("a"), "local_source": "a.mp4"}]}, "exactly one of"),
        ({"clips": [{"local_source": "../a.mp4"}]}, "below the root"),
        ({"clips": [{"source": url("a"), "filter": "x"}]}, "filter: unknown"),
        ({"clips": [{"source": url("a"), "output_description": True}] * 2}, "maxContains 1"),
        ({"clips": [{"source": url("a"), "frame_accurate": "maybe"}]}, "true or false"),
        ({"cpix": True}, "refused: cpix needs download_cpix"),
        ({"transcode_proxy": url("a")}, "refused: the engine itself cuts"),
        ({"remote_execute_timeout_seconds": -1}, "from 0 to"),
        ({"output_file": "a/b.mp4"}, "without /"),
        ({"custom_active_manifest_name": "../x"}, "without /"),
        ({"drm": ["clearkey"]}, "drm"),
        ({"output_folder": ".."}, "below the root"),
    ],
)
def test_parameters_that_are_not_honoured_are_refused(job, more, reason):
    clips = more.pop("clips", [{"source": url("high.mp4")}])
    with pytest.raises(BadInput) as refused:
        job.begin(clips, **more)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("clip", "more", "reason"),
    [
        ({"source": url("none.mp4")}, {}, "clip 0: files.test/none.mp4: status 404"),
        ({"local_source": "in/none.mp4"}, {}, "clip 0: in/none.mp4: .*no such"),
        ({"source": url("junk.mp4")}, {}, "clip 0: files.test/junk.mp4 is no media file"),
        ({"source": url("high.mp4"), "start": utc(1)}, {}, r"has to be hh:mm:ss|have to be hh"),
        ({"source": url("high.mp4"), "start": "00:01:00"}, {}, "its source ends at 8"),
        ({"source": url("talk_de.m4a")}, {}, "there are no pictures"),
    ],
)
async def test_remixes_that_cannot_succeed_say_why(job, clip, more, reason):
    job.faults["/junk.mp4"] = lambda request: httpx.Response(200, content=b"junk" * 1000)
    kinds = (PermanentFailure, SourceUnavailable, ExceptionGroup)  # nurseries make groups of it
    with pytest.raises(kinds) as failed:
        await job([clip], **more)
    assert re.search(reason, describe(failed.value))
    assert not job.target.exists()


async def test_an_attempt_has_its_time_and_no_more(autojump_clock):
    with pytest.raises(PermanentFailure, match=r"not done after 5 s"), time_limit(5):
        await trio.sleep(10)
    with time_limit(0):
        await trio.sleep(10_000)


async def test_a_remix_goes_on_where_another_attempt_was_lost(job):
    """What was recorded is not fetched again, and the result is the same, twice."""
    clips = [
        {"sources": [url("high.mp4"), url("words.vtt")], "frame_accurate": True,
         "start": "00:00:01", "end": "00:00:03"},
        {"source": "http://a.test/master.m3u8", "start": utc(5), "end": utc(6)},
    ]  # fmt: skip
    job.begin(clips)

    def gone(request):
        raise httpx.ConnectError("gone")

    job.faults["/master.m3u8"] = gone
    with trio.move_on_after(2), suppress(ExceptionGroup):
        await job.task("record")
    job.faults.clear()
    await job.task("record", attempt=2)
    job.asked.clear()
    await job.task("record", attempt=3)
    assert job.asked == []
    await job.task("cut")
    await job.task("cut", attempt=2)
    for name in ("package_clear", "create_mp4", "publish"):
        await job.task(name)
        before = job.names() if name == "publish" else []
        await job.task(name, attempt=2)
    assert job.names() == before
    check_result(job, [*range(25, 75), *range(125, 150)], range(3))
    [words] = job.target.glob("*.vtt")
    cues = [(float(cue.start), cue.text) for cue in read_webvtt(words.read_text()).cues]
    assert cues == [(0.5, "ONE")]
