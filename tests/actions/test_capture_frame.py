"""The workflow capture_frame, run from its file: which picture it takes, of which sources."""

import shutil
from fractions import Fraction

import pytest
from PIL import Image

from taskengine.actions import pictures
from taskengine.model import BadInput, PermanentFailure
from tests.actions.captures import BEGAN, utc
from tests.actions.streams import StreamJob, codes, rounded
from tests.capture.packaged_origin import packaged_origin

GIVEN = {
    "content_id": "one",
    "source": "http://a.test/master.m3u8",
    "frame_time": "00:00:07.0400000",
    "output_folder": "one/stills",
    "image_filename": "poster.png",
}


@pytest.fixture
def job(tmp_path, stream):
    return StreamJob("capture_frame", tmp_path, stream, GIVEN)


@pytest.fixture(scope="module")
def packaged(stream, tmp_path_factory):
    """The same stream in other packagings, whose times begin at an hour."""
    folder = tmp_path_factory.mktemp("packaged") / "stream"
    shutil.copytree(stream[0], folder)
    return packaged_origin(folder, stream[1], BEGAN, Fraction(10**6), begins=3600)


@pytest.mark.parametrize(
    ("manifest", "frame_time", "number"),
    [
        ("master.m3u8", "00:00:07.0400000", 176),
        ("live.mpd", utc("7.05"), 176),  # between two pictures: the one that is shown
        ("master.m3u8", utc("7.079"), 177),  # rounded, as clients and manifests do
        ("master.m3u8", utc("7.078"), 176),
        ("live.mpd", "0:00", 0),
        ("master.m3u8", "00:00:15.999", 399),  # the last one
        ("live.mpd", 12.96, 324),  # the last one of its segment
    ],
    ids=["offset", "between", "rounded up", "rounded down", "first", "last", "end of a segment"],
)
async def test_the_picture_is_the_one_that_is_shown_then(job, manifest, frame_time, number):
    await job(source=f"http://a.test/{manifest}", frame_time=frame_time)
    assert codes(job.output / "one/stills/poster.png") == [number]


@pytest.mark.parametrize("manifest", ["ts.m3u8", "packed.m3u8", "one.isml/Manifest", "time.mpd"])
async def test_each_packaging_shows_the_same_picture(job, packaged, manifest):
    job.origin = packaged
    await job(source=f"http://a.test/{manifest}", frame_time=utc("9.48"))
    assert codes(job.output / "one/stills/poster.png") == [237]


@pytest.mark.parametrize("seconds", [1, 1.02, 0.98, 1.1])
async def test_rounded_durations_move_no_picture(job, seconds):
    job.faults["a.test"] = rounded(seconds)
    await job(frame_time="00:00:12.28")
    assert codes(job.output / "one/stills/poster.png") == [307]
    assert any(text.startswith("The picture of 12.28,") for _, text in job.lines)


@pytest.mark.parametrize(("name", "form"), [("a.JPG", "JPEG"), ("a.webp", "WEBP")])
async def test_the_name_says_the_format(job, name, form):
    extras = await job(image_filename=name)
    made = job.output / "one/stills" / name
    assert extras == {"message": name, "files": [str(made)]}
    assert codes(made) == [176]
    with Image.open(made) as image:
        assert (image.format, image.size) == (form, (320, 192))


async def test_only_what_the_picture_needs_is_fetched(job):
    await job(frame_time="00:00:07.5")
    assert [path for path in job.asked if path.endswith(".m4s")] == ["/v/8.m4s"]


async def test_a_picture_whose_keyframe_lies_far_before_it_is_decoded_from_there(job, monkeypatch):
    """As where segments are shorter than groups of pictures."""
    whole = pictures.needed

    def needed(one, place):
        return whole(one, place) if len(one.stretch.segments) > 3 else None

    monkeypatch.setattr(pictures, "needed", needed)
    await job()
    assert codes(job.output / "one/stills/poster.png") == [176]


async def test_an_attempt_takes_what_another_one_recorded(job):
    job.begin()
    await job.task("capture_frame")
    first = len([path for path in job.asked if path.endswith(".m4s")])
    await job.task("capture_frame", attempt=2)
    await job.task("publish")
    await job.task("publish", attempt=2)
    assert len([path for path in job.asked if path.endswith(".m4s")]) == first
    assert job.files() == ["one/stills/poster.png"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"frame_time": "00:00:16"}, "nothing of its range|no picture at"),
        ({"frame_time": utc(-5)}, "nothing of its range"),
        ({"source": "http://a.test/a.m3u8"}, "no picture"),
        ({"source": "http://a.test/gone.m3u8"}, "^source: no source can be read: .*status 404"),
    ],
)
async def test_what_the_stream_does_not_show_is_told(job, more, reason, monkeypatch):
    monkeypatch.setattr("taskengine.capture.following.Following._patience", lambda self: 0.3)
    with pytest.raises(PermanentFailure, match=reason):
        await job(**more)
    assert job.files() == []


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"frame_time": "soon"}, "frame_time"),
        ({"frame_time": ""}, "frame_time"),
        ({"image_filename": "poster.bmp"}, "image_filename"),
        ({"image_filename": ".png"}, "image_filename"),
        ({"image_filename": "a/b.png"}, "image_filename"),
        ({"output_folder": "/"}, "output_folder"),
        ({"source": "poster.m3u8"}, "source"),
    ],
)
def test_what_is_not_honoured_is_refused(job, more, reason):
    with pytest.raises(BadInput, match=reason):
        job.begin(**more)
