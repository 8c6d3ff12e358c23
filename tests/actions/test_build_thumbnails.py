"""The workflow build_thumbnails, run from its file: which pictures, and where each stands."""

import re

import pytest
from PIL import Image

from taskengine.media.sample import BITS, read_codes
from taskengine.model import BadInput, PermanentFailure
from tests.actions.streams import StreamJob
from tests.capture.film import HEIGHT, ROWS
from tests.capture.origin import Answered

GIVEN = {
    "content_id": "one",
    "source": "http://a.test/master.m3u8",
    "preview_thumbnails_interval": 3,
}
TILE = (160, 96)


@pytest.fixture
def job(tmp_path, stream):
    return StreamJob("build_thumbnails", tmp_path, stream, GIVEN)


def previews(job, prefix="one", folder="one"):
    """Of each cue of the WebVTT: its times, and the number of the picture that it shows."""
    text = (job.output / folder / f"{prefix}_sprite.vtt").read_text()
    found = []
    with Image.open(job.output / folder / f"{prefix}_sprite.jpg") as sprite:
        cue = r"(\S+) --> (\S+)\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)"
        for start, end, name, *place in re.findall(cue, text):
            assert name == f"{prefix}_sprite.jpg"
            x, y, width, height = map(int, place)
            assert (width, height) == TILE
            bar = sprite.crop((x, y, x + width, y + ROWS // 2 * height // HEIGHT)).convert("L")
            [number] = read_codes(bar.resize((BITS, 1), Image.Resampling.BOX).tobytes())
            found.append((seconds(start), seconds(end), number))
    return found


def seconds(text):
    hours, minutes, rest = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


async def test_each_interval_shows_the_keyframe_at_its_beginning(job):
    extras = await job()
    expected = [(0, 3, 0), (3, 6, 75), (6, 9, 150), (9, 12, 225), (12, 15, 300), (15, 16, 375)]
    assert previews(job) == expected
    files = [f"{job.output}/one/one_sprite.jpg", f"{job.output}/one/one_sprite.vtt"]
    assert extras == {"message": files, "files": files}
    had = {path for path in job.asked if path.endswith(".m4s")}
    assert had == {f"/w/{number}.m4s" for number in (1, 4, 7, 10, 13, 16)}


async def test_names_and_folders_are_those_wanted(job):
    more = {"output_folder": "one/preview", "preview_thumbnails_interval": 10}
    await job(target_filename="tl", source="http://a.test/live.mpd", **more)
    assert [number for *_, number in previews(job, "tl", "one/preview")] == [0, 250]


async def test_no_two_previews_are_nearer_than_frames(job):
    await job(preview_thumbnails_interval=0.001, video_fps=0.5)
    found = previews(job)
    assert [start for start, *_ in found] == list(range(0, 16, 2))


async def test_a_picture_that_cannot_be_had_is_told_and_another_stands_for_it(job, monkeypatch):
    monkeypatch.setattr("taskengine.capture.sampling.FIRST_PAUSE", 0)
    job.faults["a.test"] = lambda path, found: Answered(404) if path == "/w/7.m4s" else found
    await job()
    assert [number for *_, number in previews(job)] == [0, 75, 75, 225, 300, 375]
    assert any("segment 7 cannot be had: status 404" in line for line in job.warned())
    assert any("1 previews are missing" in line for line in job.warned())


async def test_an_attempt_goes_on_with_what_another_one_has(job):
    job.begin()
    await job.task("build_thumbnails")
    had = len([path for path in job.asked if path.endswith(".m4s")])
    await job.task("build_thumbnails", attempt=2)
    assert len([path for path in job.asked if path.endswith(".m4s")]) == had
    await job.task("publish", attempt=2)
    assert job.files() == ["one/one_sprite.jpg", "one/one_sprite.vtt"]


async def test_a_live_stream_has_to_be_stopped(job):
    job.faults["a.test"] = lambda path, found: Answered(
        found.status, found.body.replace(b"#EXT-X-ENDLIST", b"")
    )
    with pytest.raises(PermanentFailure, match="the live stream is not stopped"):
        await job()
    assert job.files() == []


async def test_a_segment_that_no_decoder_takes_is_told(job):
    def spoilt(path, found):
        head, mark, media = found.body.partition(b"mdat")
        return Answered(found.status, head + mark + bytes(len(media)))

    job.faults["a.test"] = lambda path, found: spoilt(path, found) if path == "/w/10.m4s" else found
    await job()
    assert [number for *_, number in previews(job)] == [0, 75, 150, 150, 300, 375]
    assert any("1 previews are missing" in line for line in job.warned())


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"source": "http://a.test/a.m3u8"}, "no video|no pictures|decoded"),
        ({"source": "http://a.test/gone.m3u8"}, "status 404"),
    ],
)
async def test_what_cannot_be_made_is_told(job, more, reason, monkeypatch):
    monkeypatch.setattr("taskengine.capture.sampling.FIRST_PAUSE", 0)
    with pytest.raises(PermanentFailure, match=reason):
        await job(**more)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"preview_thumbnails_interval": 0}, "preview_thumbnails_interval"),
        ({"video_fps": -1}, "video_fps"),
        ({"filename_prefix": "a/b"}, "filename_prefix"),
        ({"content_id": ".."}, "output_folder"),
        ({"source": "ftp://a.test/x"}, "source"),
    ],
)
def test_what_is_not_honoured_is_refused(job, more, reason):
    with pytest.raises(BadInput, match=reason):
        job.begin(**more)
