"""The workflow vodcapture, run from its file on real pictures and sound of a small origin."""

import re
from pathlib import Path

import httpx
import pytest
import trio
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from taskengine.model import BadInput, PermanentFailure
from tests.actions.captures import FRAME, HLS, check_asset, utc
from tests.capture.film import beeps, numbers
from tests.capture.origin import Answered


@pytest.mark.parametrize("manifest", ["master.m3u8", "live.mpd"])
async def test_a_range_of_an_archive_is_exact_to_the_frame(job, manifest):
    job.target.mkdir(parents=True)
    (job.target / "old.mp4").write_bytes(b"old")
    clip = {"source": f"http://a.test/{manifest}", "start": utc("3.32"), "end": utc("9.6")}
    extras = await job([clip])
    check_asset(job, list(range(83, 240)), [s - 3.32 for s in range(4, 10)])
    assert extras["metadata"] == {"duration": 6.28, "gaps": []}
    assert re.search(r"/news/one/one_nodrm_[0-9a-f-]{36}\.ism$", extras["message"])
    names = {path.name for path in job.target.iterdir()}
    assert extras["files"] != []
    assert {Path(name).name for name in extras["files"]} == names
    assert "old.mp4" not in names
    assert job.warned() == []


async def test_what_no_source_has_is_a_gap_and_sound_stays_with_its_pictures(job, monkeypatch):
    monkeypatch.setattr("taskengine.capture.demand.PATIENCE", 0.5)
    job.faults["a.test"] = lambda path, found: (
        Answered(404) if path in ("/v/7.m4s", "/w/7.m4s", "/v/9.m4s", "/a/12.m4s") else found
    )
    job.faults["b.test"] = lambda path, found: (
        Answered(200, found.body[:-5]) if path.startswith(("/v/7.", "/w/7.", "/a/12.")) else found
    )
    sources = ["http://a.test/master.m3u8", "http://b.test/live.mpd"]
    extras = await job([{"sources": sources, "start": utc(2), "end": utc(15)}])
    expected = [*range(50, 150), *range(175, 375)]
    silence = sum(job.origin.tracks[2].durations[:11]), sum(job.origin.tracks[2].durations[:12])
    heard = [s for s in [*range(2, 6), *range(7, 15)] if not silence[0] <= s <= silence[1] + FRAME]
    *pictures, sound = job.playlists()
    for playlist in pictures:
        assert numbers(playlist) == expected
    found = [s for s in beeps(sound, *HLS) if not silence[0] - 3 <= s <= silence[1] - 3 + 0.05]
    assert found == pytest.approx([s - (2 if s < 6 else 3) for s in heard], abs=0.001)
    assert extras["metadata"]["gaps"] == [{"clip": 0, "from": utc(6), "to": utc(7)}]
    assert extras["metadata"]["duration"] == 12
    assert any("no source has" in line and "(1.000 s)" in line for line in job.warned())
    assert any("audio-1: silence from" in line for line in job.warned())


async def test_clips_are_stitched_in_their_order(job):
    clips = [
        {"source": "http://a.test/live.mpd", "start": utc("10.4"), "end": utc("12.2")},
        {"source": "http://a.test/master.m3u8", "start": "00:00:01", "end": "00:00:03.5"},
        {"source": "http://a.test/live.mpd", "start": utc("5.04"), "end": utc("5.44")},
    ]
    extras = await job(clips)
    expected = [*range(260, 305), *range(25, 88), *range(126, 136)]
    check_asset(job, expected, [0.6, 1.6, 1.8, 2.8, 3.8])
    assert extras["metadata"]["duration"] == pytest.approx(4.72)


async def test_a_download_clip_is_an_mp4_with_all_tracks(job):
    clip = {"source": "http://a.test/live.mpd", "start": utc(4), "end": utc(7)}
    extras = await job([clip], generate_vod=False, generate_mp4=True)
    made = job.target / "one.mp4"
    assert extras["message"] == str(made)
    for stream in ("0:v:0", "0:v:1"):
        assert numbers(made, stream) == list(range(100, 175))
    assert beeps(made) == pytest.approx([0, 1, 2], abs=0.001)


async def test_the_filter_says_which_tracks_there_are(job):
    clip = {
        "source": "http://a.test/live.mpd",
        "start": utc(4),
        "end": utc(6),
        "filter": 'type=="audio"||type=="video"&&systemBitrate==200000',
    }
    await job([clip], generate_mp4=True, drm=["widevine"], preview_thumbnails=True)
    assert len(job.results["cut"]["tracks"]) == 2
    assert not any(path.startswith("/v/") for _, path in job.asked)
    assert numbers(job.target / "one.mp4") == list(range(100, 150))
    assert {"one_thumbnail.jpg", "one_sprite.jpg"} <= {one.name for one in job.target.iterdir()}


async def test_whole_segments_are_taken_where_frames_do_not_matter(job):
    clip = {"source": "http://a.test/live.mpd", "start": utc("3.32"), "end": utc("5.6")}
    await job([clip], frame_accurate=False)
    *pictures, sound = job.playlists()
    assert [numbers(one) for one in pictures] == [list(range(75, 150))] * 2
    assert beeps(sound, *HLS)[1:] == pytest.approx([1, 2], abs=0.001)


async def test_segments_encrypted_with_aes_128_are_opened(job):
    key = bytes(range(16))

    def locked(path, found):
        if path == "/key":
            return Answered(200, key)
        if path.endswith(".m3u8") and "master" not in path:
            line = b'#EXT-X-KEY:METHOD=AES-128,URI="/key"\n'
            head, _, rest = found.body.partition(b"#EXT-X-PROGRAM")
            return Answered(200, head + line + b"#EXT-X-PROGRAM" + rest)
        if path.endswith(".m4s"):
            number = int(path.rpartition("/")[2].partition(".")[0])
            padder = PKCS7(128).padder()
            padded = padder.update(found.body) + padder.finalize()
            cipher = Cipher(AES(key), CBC(number.to_bytes(16, "big"))).encryptor()
            return Answered(200, cipher.update(padded) + cipher.finalize())
        return found

    job.faults["a.test"] = locked
    await job([{"source": "http://a.test/master.m3u8", "start": utc(3), "end": utc(5)}])
    check_asset(job, list(range(75, 125)), [0, 1])
    assert [path for _, path in job.asked].count("/key") == 1


async def test_an_attempt_goes_on_where_another_was_killed(job, monkeypatch):
    job.begin([{"source": "http://a.test/live.mpd", "start": utc(1), "end": utc(15)}])

    def slow(path, found):
        if len([one for one in job.asked if one[1].endswith(".m4s")]) > 20:
            raise httpx.ConnectError("gone")
        return found

    monkeypatch.setattr("taskengine.capture.recording.PAGE", 2)
    job.faults["a.test"] = slow
    with trio.move_on_after(2):
        await job.task("capture")
    job.faults.clear()
    await job.task("capture", attempt=2)
    await job.task("cut")
    had = [path for path in job.served if path.endswith(".m4s")]
    assert len(had) - len(set(had)) <= 8  # as many as are fetched at once
    assert job.results["cut"]["duration"] == 14


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"clips": [{"source": "http://a.test/x", "key_id": "a" * 32}]}, "content_key: required"),
        ({"clips": [{"source": "http://a.test/x", "content_key": "SECRET"}]}, "32 hexadecimal"),
        ({"clips": [{"source": "http://a.test/x", "seed": "SECRET"}]}, "in base64"),
        (
            {"clips": [{"source": "http://a.test/x", "seed": "A" * 40, "content_key": "b" * 32}]},
            "refused: seed stands in place",
        ),
        ({"playready_key": "SECRET"}, "playready_key: expected a key of 32"),
        ({"transcode_proxy": "http://a.test"}, "transcode_proxy: refused"),
        ({"trickplay_thumbnail_size": -1}, "trickplay_thumbnail_size"),
        ({"trickplay_thumbnail_quality": 101}, "trickplay_thumbnail_quality"),
        ({"trickplay_thumbnail_interval": 0}, "trickplay_thumbnail_interval"),
        ({"missing_content": "slate"}, "missing_content"),
        ({"clips": [{"source": "http://a.test/x", "sources": ["http://a.test/x"]}]}, "exactly one"),
        ({"clips": [{"source": "http://a.test/x", "strat": "00:00:01"}]}, "strat: unknown"),
        ({"clips": []}, "clips"),
    ],
)
def test_what_is_not_honoured_is_refused(job, more, reason):
    clips = more.pop("clips", [{"source": "http://a.test/live.mpd"}])
    with pytest.raises(BadInput) as refused:
        job.begin(clips, **more)
    assert reason in str(refused.value)
    assert "SECRET" not in str(refused.value)


def test_false_is_no_wish(job):
    clips = [{"source": "http://a.test/live.mpd"}]
    job.begin(clips, copy_ts=False, cpix=False, create_dref=False, transcode_proxy=None)
    assert job.values["empty_target"] is True


@pytest.mark.parametrize(
    ("clip", "more", "reason"),
    [
        ({"start": utc(40), "end": utc(50)}, {}, "nothing of its range, it has"),
        ({"filter": 'type=="textstream"'}, {}, "lets nothing through"),
        ({}, {"generate_vod": False, "create_dref": True}, "needs generate_vod"),
        ({}, {"generate_vod": False}, "there is no result"),
    ],
)
async def test_jobs_that_cannot_succeed_say_why(job, clip, more, reason):
    with pytest.raises(PermanentFailure, match=reason):
        await job([{"source": "http://a.test/master.m3u8", **clip}], **more)


async def test_missing_content_fails_a_job_that_wants_it_whole(job, monkeypatch):
    monkeypatch.setattr("taskengine.capture.demand.PATIENCE", 0.3)
    job.faults["a.test"] = lambda path, found: Answered(404) if path[2:] == "/7.m4s" else found
    clip = {"source": "http://a.test/live.mpd", "start": utc(5), "end": utc(9)}
    with pytest.raises(PermanentFailure, match=r"1\.000 s are missing in 1 gaps"):
        await job([clip], missing_content="fail")
    job.target.mkdir(parents=True, exist_ok=True)
    assert list(job.target.iterdir()) == []
