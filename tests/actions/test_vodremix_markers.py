"""vodremix puts breaks at the same frame in HLS and in DASH, with sync samples."""

import re
from fractions import Fraction

import pytest

from taskengine.jobs.clip_markers import read_events
from taskengine.media.marking import read_markers
from taskengine.media.scte35 import read_message
from taskengine.model import BadInput, PermanentFailure
from tests.actions.captures import utc
from tests.actions.remixes import RemixJob, make_files, url
from tests.actions.test_vodcapture_markers import of_playlist
from tests.capture.film import numbers, packets

AD = "https://ads.example.org/spot.m3u8"


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    return make_files(tmp_path_factory.mktemp("marked-files"))


@pytest.fixture
def job(tmp_path, files, stream):
    return RemixJob(tmp_path, files, stream)


def event(start, duration, kind="replace", **more):
    return {"presentation_time": start, "duration": duration, "type": kind, **more}


def marked(name, *events, **more):
    return {"source": url(name), "markers": {"meta_events": list(events), **more}}


def frames(job):
    """At which frames each playlist has messages; and the MPD, which has to agree."""
    found = [list(of_playlist(playlist.read_text())) for playlist in job.playlists()]
    assert all(one == found[0] for one in found)
    [mpd] = job.target.glob("*.mpd")
    by_dash = [
        (round(at * 25), message)
        for one in read_markers(mpd.read_text())
        for at, message in ((one.start, one.out), (one.end, one.back))
    ]
    assert found[0] == by_dash
    return [at for at, _ in by_dash], [read_message(message) for _, message in by_dash]


def keys(playlist):
    """The frames that are sync samples."""
    return {n for n, (_, is_key) in enumerate(packets(playlist)) if is_key}


async def test_breaks_are_at_their_frames_with_sync_samples(job):
    """Times as hh:mm:ss and as ticks; a clip of another rate; a break up to the clip's end."""
    cut = {"start": "00:00:01.2", "end": "00:00:05.2", "frame_accurate": True}
    clips = [
        marked("high.mp4", event("00:00:01.4", "00:00:01.000"), event("9000", "90000", "insert"),
               timescale=3000) | cut,
        marked("wide.mp4", event("00:00:00.5", "00:00:01")) | cut,
        marked("high.mp4", event("00:00:03", "00:00:09")) | cut,
    ]  # fmt: skip
    await job(clips)
    at, messages = frames(job)
    assert at == [35, 60, 75, 75, 100 + 13, 100 + 38, 276, 301]
    shown = numbers(job.playlists()[0])
    assert [shown[n] for n in at[:3]] == [65, 90, 105]
    assert len(shown) == 301  # parts of another rate are rounded to whole pictures
    assert keys(job.playlists()[0]) >= {*at[:-1]}
    assert [one.is_out for one in messages] == [True, False] * 4
    lengths = [float(one.duration) for one in messages[::2]]
    assert lengths == pytest.approx([1, 30, 1, 1])
    assert [float(one.time) for one in messages] == pytest.approx([n / 25 for n in at])
    assert len({one.event_id for one in messages[::2]}) == 4
    assert job.warned() == [
        "clips[2].markers.meta_events[0].duration: the break ends with its clip"
    ]


async def test_players_are_told_of_advertising_that_they_show_by_themselves(job):
    listed = f"{AD}?a=%22b%22"
    events = (
        event("00:00:02", "00:00:01", asset_uri=AD),
        event("00:00:05", "00:00:20", "insert", asset_list=listed.replace("%22", '"')),
    )
    await job([marked("high.mp4", *events)])
    for playlist in job.playlists():
        told = re.findall(r'CLASS="com.apple.hls.interstitial",(.*)', playlist.read_text())
        assert told == [
            f'START-DATE="1970-01-01T00:00:02.000Z",DURATION=1.000,X-ASSET-URI="{AD}",'
            "X-RESUME-OFFSET=1.000,X-PLAYOUT-LIMIT=1.000",
            f'START-DATE="1970-01-01T00:00:05.000Z",DURATION=20.000,X-ASSET-LIST="{listed}",'
            "X-RESUME-OFFSET=0.000,X-PLAYOUT-LIMIT=20.000",
        ]
    at, _ = frames(job)
    assert at == [50, 75, 125, 125]


async def test_without_frame_accuracy_no_picture_is_encoded_anew(job):
    clip = marked("high.mp4", event("00:00:01.4", "00:00:01"), frame_accurate=False)
    await job([clip | {"frame_accurate": True}])
    at, _ = frames(job)
    assert at == [35, 60]
    assert keys(job.playlists()[0]) == set(range(0, 200, 25))


async def test_breaks_of_a_stream_keep_their_renditions_together(job):
    clip = {"source": "http://a.test/master.m3u8", "start": utc(2), "end": utc(8)}
    markers = {"meta_events": [event("00:00:01.52", "00:00:02.2")], "frame_accurate": True}
    await job([{**clip, "frame_accurate": True, "markers": markers}])
    at, _ = frames(job)
    assert at == [38, 93]
    first, second, _ = job.playlists()
    assert numbers(first) == numbers(second) == list(range(50, 200))
    assert keys(first) == keys(second) >= {*at}


@pytest.mark.parametrize(
    ("markers", "reason"),
    [
        ([event("00:00:01", "00:00:02"), event("00:00:02.5", "00:00:01")], "[1]: it overlaps"),
        ([event("00:00:05", "00:00:01"), event("00:00:05", "00:00:01", "insert")], "it overlaps"),
        ([event("00:00:01", "00:00:00")], "duration: expected more than 0"),
        ([event("soon", "00:00:01")], "hh:mm:ss or a whole number of ticks"),
        ([event(-5, "00:00:01")], "presentation_time"),
        ([event("00:00:01", "00:00:01", "remove")], "type"),
        ([{"presentation_time": "00:00:01"}], "duration: required"),
        ([event("00:00:09", "00:00:01")], "it is not before the end of the clip"),
        ([event("00:00:01", "00:00:01", asset_uri="x")], "an http or https URL"),
        (
            [event("00:00:01", "00:00:01", asset_uri=AD, asset_list=AD)],
            "refused: asset_list stands in place of asset_uri",
        ),
    ],
)
def test_markers_that_cannot_be_are_refused(job, markers, reason):
    clip = {"source": url("high.mp4"), "end": "00:00:08", "markers": {"meta_events": markers}}
    with pytest.raises(BadInput) as refused:
        job.submit([clip])
    assert reason in str(refused.value)


async def test_a_break_behind_its_clip_fails_the_job(job):
    with pytest.raises(PermanentFailure, match=r"\[0\].presentation_time: it is behind the end"):
        await job([marked("high.mp4", event("00:00:09", "00:00:01"))])


def test_times_of_markers_count_in_their_timescale(job):
    """A time between two ticks is the nearest one."""
    job.submit([marked("high.mp4", event("00:00:01.30", 1), timescale=2)])
    assert job.values["clips"][0]["markers"]["timescale"] == 2
    assert Fraction(1, 2) == read_events(job.values["clips"][0]["markers"])[0].duration
    assert Fraction(3, 2) == read_events(job.values["clips"][0]["markers"])[0].start
