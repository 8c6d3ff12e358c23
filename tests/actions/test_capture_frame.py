"""The workflow capture_frame, run from its file: which picture it takes, of which sources."""

import pytest
from PIL import Image

from taskengine.model import BadInput, PermanentFailure
from tests.actions.captures import utc
from tests.actions.streams import StreamJob, codes
from tests.capture.origin import Answered

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
)
async def test_the_picture_is_the_one_that_is_shown_then(job, manifest, frame_time, number):
    await job(source=f"http://a.test/{manifest}", frame_time=frame_time)
    assert codes(job.output / "one/stills/poster.png") == [number]
