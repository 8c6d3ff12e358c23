"""Source files: what is in them, what is wrong with them, what is made of them."""

from dataclasses import replace

import pytest

from taskengine.media.conform import conform, fits
from taskengine.media.ffmpeg import check_whole, ffmpeg, source
from taskengine.media.probe import OutputWrong, probe
from taskengine.media.properties import apply_file_properties, apply_track_properties
from taskengine.media.sample import RATE
from taskengine.media.streams import slug
from taskengine.media.tables import keyframes
from taskengine.media.tracks import Track, arrange
from taskengine.model import BadInput, PermanentFailure
from taskengine.runtime.process import ProcessFailed
from tests.media import players
from tests.media.conftest import SECONDS

ALMOST = pytest.approx(SECONDS, abs=0.1)


async def made(bench, name, *arguments):
    path = bench.folder / name
    await ffmpeg(bench, *source(bench.folder / "high.mp4"), *arguments, f"file:{path}")
    return path


async def test_a_film_is_what_it_is(bench, tracks):
    video, low, english, german = tracks
    assert (video.codec, video.width, video.height, video.frame_rate) == ("h264", 320, 180, RATE)
    assert video.duration == SECONDS
    assert low.bitrate < video.bitrate
    assert (english.name, english.language, english.channels) == ("audio_eng", "eng", 2)
    assert (german.name, german.stream) == ("audio_deu", 2)
    media = await probe(bench, bench.folder / "high.mp4")
    assert fits(media)
    assert await keyframes(bench.folder / "high.mp4", 0) == [0, 2, 4]


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "x.mp4 is empty"), (b"hello\n" * 50, "x.mp4 is no media file"),
     (b"ffconcat version 1.0\nfile high.mp4\n", "x.mp4 is no media file"),
     (b"#EXTM3U\n#EXTINF:6,\nhigh.mp4\n", "x.mp4 is no media file")],
)  # fmt: skip
async def test_what_is_no_video_is_refused_by_name(bench, tracks, content, why):
    path = bench.folder / "in-0.mp4"
    path.write_bytes(content)
    with pytest.raises(PermanentFailure, match=why):
        await probe(bench, path, "x.mp4")


@pytest.mark.parametrize(
    ("code", "said"), [(-9, ""), (255, "Exiting normally"), (228, "x: No space left on device")]
)
async def test_a_file_is_not_blamed_for_the_machine(bench, tracks, code, said):
    async def run(command, *, on_line=None):
        raise ProcessFailed(command, code, said)

    with pytest.raises(ProcessFailed):
        await check_whole(replace(bench, run=run), bench.folder / "high.mp4", "x.mp4")


async def test_a_truncated_film_is_refused_by_name(bench, tracks):
    path = bench.folder / "in-0.mp4"
    path.write_bytes((bench.folder / "high.mp4").read_bytes()[:100_000])
    assert (await probe(bench, path, "x.mp4")).duration == SECONDS
    with pytest.raises(PermanentFailure, match=r"x\.mp4 is damaged: (?!.*in-0)"):
        await check_whole(bench, path, "x.mp4")


@pytest.mark.parametrize(
    ("name", "arguments", "codecs"),
    [
        ("a.mkv", ["-map", "0:v", "-map", "0:a", "-c", "copy"], ["h264", "aac", "aac"]),
        ("b.ts", ["-map", "0:v", "-map", "0:a:0", "-c", "copy"], ["h264", "aac"]),
        ("c.mpg", ["-c:v", "mpeg2video", "-c:a", "mp2", "-s", "160x90"], ["h264", "aac"]),
        ("d.avi", ["-c:v", "mpeg4", "-an", "-s", "162x90"], ["h264"]),
        ("e.mov", ["-c:v", "mjpeg", "-strict", "-1", "-c:a", "pcm_s16le"], ["h264", "aac"]),
    ],
)
async def test_other_containers_and_codecs_become_tracks(bench, tracks, name, arguments, codecs):
    path = await made(bench, name, *arguments)
    media = await probe(bench, path)
    assert not fits(media)
    found = await conform(bench, path, media)
    assert [track.codec for track in found] == codecs
    for track in found:
        assert players.decoded(bench.folder / track.file) == ALMOST


async def test_a_truncated_film_of_another_family_is_refused(bench, tracks):
    whole = await made(bench, "whole.mkv", "-map", "0:v", "-c", "copy")
    path = bench.folder / "half.mkv"
    path.write_bytes(whole.read_bytes()[:90_000])
    with pytest.raises(OutputWrong, match="instead of 6"):
        await conform(bench, path, await probe(bench, path))


async def test_a_track_may_end_before_the_others(bench, tracks):
    short = ["-filter_complex", "[0:a:0]atrim=duration=3[a]", "-map", "0:v", "-map", "[a]"]
    path = await made(bench, "short.mkv", *short, "-c:v", "copy", "-c:a", "aac")
    video, audio = await conform(bench, path, await probe(bench, path))
    assert video.duration == pytest.approx(SECONDS, abs=0.1)
    assert audio.duration == pytest.approx(3, abs=0.1)


async def test_turned_pictures_are_set_upright(bench, tracks):
    path = bench.folder / "turned.mp4"
    opened = source(bench.folder / "low.mp4", "-display_rotation", "90")
    await ffmpeg(bench, *opened, "-c", "copy", f"file:{path}")
    media = await probe(bench, path)
    assert not fits(media)
    [video] = await conform(bench, path, media)
    assert (video.width, video.height) == (90, 160)


async def test_a_ladder_has_keyframes_at_the_same_times(bench, tracks):
    path = await made(bench, "tall.mp4", "-t", "4", "-map", "0:v", "-map", "0:a", "-s", "640x360",
                      "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "copy")  # fmt: skip
    heard = []

    async def on_progress(fraction):
        heard.append(fraction)

    found = await conform(bench, path, await probe(bench, path), ladder="H264",
                          on_progress=on_progress)  # fmt: skip
    assert [track.height for track in found if track.type == "video"] == [360, 240]
    assert [track.codec for track in found if track.type == "audio"] == ["aac", "aac"]
    times = [await keyframes(bench.folder / t.file, 0) for t in found[:2]]
    assert times[0] == times[1] == [0, 2]
    assert heard[-1] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("stated", "file", "said", "language"),
    [
        ("und", "film_fra.m4a", {}, "fra"),
        ("eng", "film_fra.m4a", {}, "eng"),
        ("eng", "film_fra.m4a", {"language": "nld"}, "nld"),
        ("und", "film.m4a", {}, "und"),
        ("und", "film_hd.m4a", {}, "und"),  # no language
        ("EN-us", "film.m4a", {}, "en-us"),
    ],
)
def test_languages_come_from_the_job_the_media_or_the_name(stated, file, said, language):
    track = Track("audio", file, language=stated)
    assert apply_file_properties(track, file, {file: said}).language == language


def test_audio_for_few_listeners_comes_last_and_names_are_unique():
    tracks = [
        Track("audio", "ad", language="nld", kind="main-desc"),
        Track("audio", "a", language="nld", bitrate=64),
        Track("audio", "b", language="nld", bitrate=128),
    ]
    assert [(t.file, t.name) for t in arrange(tracks)] == [
        ("a", "audio_nld"), ("b", "audio_nld_2"), ("ad", "audio_nld_3")
    ]  # fmt: skip
    assert [t.file for t in arrange(tracks, every_audio=False)] == ["b"]


def test_track_properties_match_and_later_ones_win():
    tracks = [Track("audio", "a", language="fra", kind="main-desc"), Track("audio", "b")]
    central = {"audio": {"und|": {"track_description": "Original"}}}
    job = {"audio": [{"properties": {"track_role": "main"}},
                     {"language": "fra", "kind": "main-desc",
                      "properties": {"track_name": "AD", "track_language": "fr"}}]}  # fmt: skip
    french, other = apply_track_properties(tracks, central, None, job)
    assert (french.name, french.language, french.role) == ("AD", "fr", "main")
    assert (other.description, other.role) == ("Original", "main")
    with pytest.raises(BadInput):
        apply_track_properties(tracks, {"audio": [{"role": "main", "kind": "main"}]})


def test_names_of_media_are_safe_everywhere():
    assert slug('a b+c,"d"=é/..') == "a_b_c__d____.."
