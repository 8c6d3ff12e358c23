"""Markers of SCTE 35 in a recorded stream, and in the manifests of assets made of it."""

import re
from fractions import Fraction

import pytest

from taskengine.media.marking import read_markers
from taskengine.media.scte35 import read_message, splice_insert
from tests.archive.jobs import ArchiveJob, AssetJob, utc
from tests.capture.origin import Answered
from tests.capture.test_signals import emsg
from tests.media import players

OUT = splice_insert(77, Fraction(1000), Fraction(4), is_out=True)
BACK = splice_insert(77, Fraction(1004), is_out=False)


def in_tags(path, found):
    """A break from the sixth segment's beginning to the tenth's."""
    if path not in ("/v.m3u8", "/w.m3u8"):
        return found
    text = found.body.decode()
    for number, tag in ((6, f"#EXT-OATCLS-SCTE35:{_base64(OUT)}\n#EXT-X-CUE-OUT:4"),
                        (10, "#EXT-X-CUE-IN")):  # fmt: skip
        before = rf"(#EXT-X-PROGRAM-DATE-TIME[^\n]*\n#EXTINF[^\n]*\n{path[1]}/{number}\.m4s)"
        text = re.sub(before, f"{tag}\n\\1", text)
    return Answered(200, text.encode())


def in_segments(path, found):
    if path == "/v/6.m4s":
        return Answered(200, emsg(0, 0, OUT) + found.body)
    if path == "/v/9.m4s":
        return Answered(200, emsg(1, 9000, BACK) + found.body)
    return found


def _base64(section):
    import base64

    return base64.b64encode(section).decode()


@pytest.fixture(params=[in_tags, in_segments])
async def job(tmp_path, stream, request):
    archive = ArchiveJob(tmp_path, *stream)
    archive.fault = request.param
    await archive()
    return AssetJob(tmp_path)


async def test_markers_stand_in_the_manifests_at_their_time(job):
    await job(utc(3), utc(13))
    [one] = read_markers(job.manifest("mpd").read_text())
    assert (one.start, one.end) == (2, 6)
    assert read_message(one.out).event_id == 77
    for playlist in players.renditions(job.manifest("m3u8")):
        [start] = re.findall(r'START-DATE="([^"]+)",PLANNED', playlist.read_text())
        assert start == utc(5)
    assert not [line for line in job.warned() if "markers" in line]


async def test_without_timed_metadata_the_manifests_are_silent(job):
    await job(utc(3), utc(13), custom_package_options="--splice_media")
    assert read_markers(job.manifest("mpd").read_text()) == []
    assert "DATERANGE" not in players.renditions(job.manifest("m3u8"))[0].read_text()
