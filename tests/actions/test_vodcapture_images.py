"""Thumbnails of a source in what a capture delivers; from the workflow's file."""

import re

import pytest

from tests.actions.captures import SECONDS, CaptureJob, utc
from tests.capture.origin import Answered
from tests.capture.thumbnails import drawn, make_thumbnails

MANIFESTS = ("master.m3u8", "live.mpd")


@pytest.fixture(scope="session")
def pictured(stream):
    """The stream with a track of thumbnails: four of a second in each image."""
    folder, tracks = stream
    return folder, (*tracks, make_thumbnails(folder, SECONDS))


@pytest.fixture
def job(tmp_path, pictured):
    return CaptureJob(tmp_path, *pictured)


def images(job):
    """The numbers that the delivered images show, as the MPD and the playlist find them."""
    [mpd], [master] = (list(job.target.glob(f"one_nodrm_*.{x}")) for x in ("mpd", "m3u8"))
    said = mpd.read_text().partition('contentType="image"')[2]
    grid = re.search(r'thumbnail_tile" value="(\d)x(\d)"', said)
    columns, rows = map(int, grid.groups())
    assert f'width="{columns * 16}" height="{rows * 16}"' in said
    template = re.search(r'media="(.*)\$Number\$(.*?)"', said)
    named = re.search(r'#EXT-X-IMAGE-STREAM-INF:.*URI="(.*)"', master.read_text())[1]
    playlist = (job.target / named).read_text()
    files = [line for line in playlist.splitlines() if not line.startswith("#")]
    assert files == [f"{template[1]}{n}{template[2]}" for n in range(1, len(files) + 1)]
    lasts = [float(one) for one in re.findall(r"#EXTINF:(.*),", playlist)]
    return said, lasts, [drawn(job.target / file, columns, rows) for file in files]


@pytest.mark.parametrize("manifest", MANIFESTS)
async def test_thumbnails_of_the_source_are_delivered_at_their_times(job, manifest):
    clip = {"source": f"http://a.test/{manifest}", "start": utc("2.4"), "end": utc("11.6")}
    extras = await job([clip])
    said, lasts, numbers = images(job)
    assert 'timescale="1000" duration="4000"' in said
    assert lasts == pytest.approx([4, 4, 1.2], abs=0.001)
    assert numbers == [[3, 4, 5, 6], [7, 8, 9, 10], [11, 12, 0, 0]]
    assert job.warned() == []
    assert any("_images_3.jpg" in name for name in extras["files"])
    asked = [path for _, path in job.asked if path.startswith("/i/")]
    assert sorted(asked) == ["/i/1.jpg", "/i/2.jpg", "/i/3.jpg"]


async def test_an_image_that_one_origin_lacks_comes_from_another(job):
    job.faults["a.test"] = lambda path, found: Answered(404) if path == "/i/2.jpg" else found
    sources = [f"http://{host}.test/live.mpd" for host in "ab"]
    await job([{"sources": sources, "start": utc(0), "end": utc(12)}])
    assert images(job)[2] == [[n + 1, n + 2, n + 3, n + 4] for n in (0, 4, 8)]


async def test_thumbnails_are_protected_by_no_set_with_drm(job):
    clip = {"source": "http://a.test/live.mpd", "start": utc(4), "end": utc(8)}
    await job([clip], drm=["widevine"])
    [mpd] = job.target.glob("one_drm_*.mpd")
    images_ = sorted(job.target.glob("*_images_*.jpg"))
    assert [drawn(path, 2, 2) for path in images_] == [[5, 6, 7, 8]]
    assert images_[0].read_bytes() == (job.origin.folder / "i/2.jpg").read_bytes()
    assert images_[0].name.replace("_1.jpg", "_$Number$.jpg") in mpd.read_text()


async def test_a_filter_leaves_thumbnails_out(job):
    clip = {"source": "http://a.test/live.mpd", "start": utc(4), "end": utc(8)}
    await job([{**clip, "filter": 'type!="image"'}])
    assert not list(job.target.glob("*_images_*"))
    assert not [path for _, path in job.asked if path.startswith("/i/")]
