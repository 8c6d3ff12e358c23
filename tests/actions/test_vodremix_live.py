"""vodremix as a live stream: what a web server delivers of it, and how it ends and goes on."""

import json
import re
import time
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import pytest
import trio

from taskengine.model import BadInput
from taskengine.remix.live import LoopingStream, read_track
from tests.actions.remixes import RemixJob, make_files, url
from tests.actions.test_vodremix_markers import event, marked
from tests.capture.film import numbers
from tests.media import players
from tests.media.schema import check_mpd
from tests.remix.test_live import parsed

JUMP = "#EXT-X-DISCONTINUITY"
CUT = {"start": "00:00:01", "end": "00:00:06", "frame_accurate": True}
LOOP = [*range(25, 150)] * 2  # the frames: the clip twice


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    return make_files(tmp_path_factory.mktemp("live-files"))


@pytest.fixture
def job(tmp_path, files, stream):
    return RemixJob(tmp_path, files, stream)


async def composed(job, clips, **more):
    """The job up to its play-out."""
    job.begin(clips, live_compose=True, **more)
    for name in job.workflow.names[:-1]:
        await job.task(name)
    return Path(job.results["compose"]["manifest"])


async def played(job, seconds, attempt=1):
    with trio.move_on_after(seconds) as scope:
        await job.task("play_out", attempt=attempt)
    return scope.cancelled_caught


def turns(playlist):
    """The frames between discontinuities, each as a player begins anew there."""
    head, *parts = re.split(r"(?=#EXT-X-MAP)", playlist.read_text().replace(f"{JUMP}\n", ""))
    for place, part in enumerate(parts):
        copy = playlist.with_name(f"turn-{place}.m3u8")
        copy.write_text(f"{head}{part}#EXT-X-ENDLIST\n")
        yield numbers(copy)


async def test_a_live_stream_loops_its_clips_frame_by_frame(job):
    """It can be reached at once; each window is one of the loop, with its breaks."""
    clip = marked("high.mp4", event("00:00:01.4", "00:00:01")) | CUT
    master = await composed(job, [clip, clip])
    assert master.name.endswith("_live.m3u8")
    assert await played(job, 1.5)
    for playlist in players.renditions(master):
        text = playlist.read_text()
        assert playlist.name.endswith("_live.m3u8")
        assert len(parsed(text)) >= 3
        assert "SCTE35-OUT" in text
        assert "#EXT-X-ENDLIST" not in text
    mpd = master.with_suffix(".mpd")
    check_mpd(mpd)
    assert mpd.read_text().count("<Signal ") == 2 * mpd.read_text().count("<Period ") * len(
        job.results["cut"]["markers"]
    )
    pictures = next(one for one in players.renditions(master) if "_v1" in one.name)
    first, *whole, last = turns(pictures)
    assert first == LOOP[-len(first) :]
    assert len(whole) >= 4
    assert all(one == LOOP for one in whole)
    assert last == LOOP[: len(last)]


async def test_an_attempt_that_follows_another_goes_on_with_the_numbers(job):
    """They follow from the start alone: an instance that died is missed by no player."""
    begun = int(time.time()) - 1000
    start = datetime.fromtimestamp(begun).astimezone().isoformat()
    master = await composed(job, [{"source": url("high.mp4")} | CUT], stream_start_time=start,
                            dvr_window_length=20)  # fmt: skip
    assert Fraction(job.results["compose"]["start"]) == begun
    assert await played(job, 1)
    [pictures, *_] = [one for one in players.renditions(master) if "_v1" in one.name]
    before = parsed(pictures.read_text())
    pictures.write_text("lost")
    assert await played(job, 1, attempt=2)
    after = parsed(pictures.read_text())
    known = {number: rest for number, *rest in before}
    assert all(known.get(number, rest)[0] == rest[0] for number, *rest in after)
    loops = (time.time() - begun) / 5
    assert abs(after[-1][1] - loops) <= 2
    length = sum(one[-1] for one in after)
    assert 20 - 5 <= length <= 20 + 5
    assert sorted(job.target.glob("*.part")) == []


async def test_a_stream_that_has_not_started_has_no_media_yet(job):
    clips = [{"source": url("high.mp4")} | CUT]
    master = await composed(job, clips, stream_start_time="2099-01-01T00:00:00Z")
    assert await played(job, 0.5)
    assert not any(one.exists() for one in players.renditions(master))
    assert not master.with_suffix(".mpd").exists()


async def test_a_stream_ends_with_its_asset(job):
    await composed(job, [{"source": url("high.mp4")} | CUT])
    for path in job.target.iterdir():
        path.unlink()
    assert not await played(job, 10)
    assert job.names() == []
    assert any("its asset is gone" in text for _, text in job.lines)


async def test_callbacks_name_the_live_stream_and_all_files(job):
    master = await composed(job, [{"source": url("high.mp4")} | CUT],
                            custom_active_manifest_name="loop")  # fmt: skip
    assert master.name == "loop_live.m3u8"
    assert job.workflow.task("compose").callback == ("manifest", "files")
    compose, publish = job.results["compose"], job.results["publish"]
    assert compose["files"][0] == str(master)
    assert len(compose["files"]) == 4
    assert compose["files"][1] == str(job.target / "loop_live.mpd")
    assert json.dumps(publish["manifest"]) == json.dumps(str(job.target / "loop.ism"))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"clips": [marked("high.mp4", event("00:00:01", "00:00:01", "insert"))]},
         "refused: a live stream goes on while a break lasts"),
        ({"dvr_window_length": 0}, "dvr_window_length: expected an integer from 1"),
        ({"dvr_window_length": 100_000}, "to 21600"),
        ({"stream_start_time": "00:00:10"}, "a UTC time"),
        ({"live_compose": "perhaps"}, "true or false"),
    ],
)  # fmt: skip
def test_what_a_live_stream_cannot_be_is_refused(job, more, reason):
    clips = more.pop("clips", [{"source": url("high.mp4")}])
    with pytest.raises(BadInput) as refused:
        job.submit(clips, **{"live_compose": True, **more})
    assert reason in str(refused.value)


async def test_what_is_of_a_live_stream_alone_is_told(job):
    await job([{"source": url("high.mp4")} | CUT], dvr_window_length=120,
              stream_start_time="2031-01-01T00:00:00Z")  # fmt: skip
    assert job.warned() == [
        "stream_start_time: it is of use with live_compose alone",
        "dvr_window_length: it is of use with live_compose alone",
    ]


async def test_protected_media_and_captions_of_a_live_stream(job):
    """Keys are stated again in each loop; what is not in the stream is told."""
    clip = {"sources": [url("high.mp4"), url("words.vtt")]} | CUT
    master = await composed(job, [clip], drm=["widevine", "aes"])
    assert await played(job, 1)
    assert job.warned()[-2:] == [
        "live_compose: captions in files of their own are not in the stream's HLS",
        "live_compose: there is no live form of AES-128",
    ]
    assert "SUBTITLES" not in master.read_text()
    [pictures, *_] = [one for one in players.renditions(master) if "_v1" in one.name]
    for part in pictures.read_text().split(f"{JUMP}\n"):
        assert part.count("#EXT-X-KEY:") == part.count("#EXT-X-MAP:") == 1


def test_a_playlist_of_one_segment_loops():
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.000,\na.mp4\n#EXT-X-ENDLIST\n"
    stream = LoopingStream(Fraction(100), Fraction(1))
    found = stream.playlist(read_track(text, Fraction(2)), Fraction(111))
    assert found.count("a.mp4") == 3
    assert "#EXT-X-MEDIA-SEQUENCE:2\n#EXT-X-DISCONTINUITY-SEQUENCE:2" in found
