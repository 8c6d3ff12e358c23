"""vodcapture of radio: sound without pictures, exact to the sample."""

from fractions import Fraction

import pytest

from taskengine.capture.moments import read_timestamp
from taskengine.media.sample import SAMPLES
from tests.actions.captures import BEGAN, CaptureJob, utc
from tests.capture.film import beeps, ffmpeg, first_times, make_sound
from tests.capture.live import lengths_of, numbered_from_one
from tests.capture.origin import Answered, LiveTrack

SECONDS = 13
PRIMING = 1024 / SAMPLES  # seconds: an encoder's first frame, with which the stream begins
HLS = ("-allowed_extensions", "ALL")
BREAK = b"#EXT-X-CUE-OUT:2\n#EXT-X-PROGRAM-DATE-TIME"


@pytest.fixture
def job(tmp_path):
    make_sound(tmp_path / "radio/a", SECONDS, length=1)
    lengths = lengths_of(first_times(tmp_path / "radio/a"), SECONDS)
    numbered_from_one(tmp_path / "radio/a")
    track = LiveTrack("a", "audio", "mp4a.40.2", 96_000, lengths, language="en")
    return CaptureJob(tmp_path, tmp_path / "radio", (track,))


def length(path):
    """Of what is decoded, in samples."""
    decode = ("-map", "0:a:0", "-ac", "1", "-ar", SAMPLES, "-f", "s16le", "-")
    return len(ffmpeg(*HLS, "-i", path, *decode)) // 2


async def test_clips_of_radio_are_stitched_to_the_sample(job):
    """From an MPD, and from a playlist by itself, which does not say that it has no pictures."""

    def marked(path, found):
        parts = found.body.split(b"#EXT-X-PROGRAM-DATE-TIME")
        if path == "/a.m3u8":  # a break begins with the seventh segment
            head, tail = b"#EXT-X-PROGRAM-DATE-TIME".join(parts[:7]), parts[7:]
            body = head + BREAK + b"#EXT-X-PROGRAM-DATE-TIME".join(tail)
            return Answered(200, body)
        return found

    job.faults["b.test"] = marked
    clips = [
        {"source": "http://a.test/live.mpd", "start": utc("3.321"), "end": utc("6.4")},
        {"source": "http://b.test/a.m3u8", "start": utc("5.5"), "end": utc("9.6")},
    ]
    extras = await job(clips, generate_mp4=True)
    [playlist] = set(job.playlists())
    wanted = [s + PRIMING for s in (0.679, 1.679, 2.679, 3.579, 4.579, 5.579, 6.579)]
    assert beeps(playlist, *HLS) == pytest.approx(wanted, abs=0.001)
    assert extras["metadata"] == {"duration": pytest.approx(7.179, abs=0.022), "gaps": []}
    assert 0 <= length(playlist) - round(7.179 * SAMPLES) < 1024  # the last frame is a whole one
    assert beeps(job.target / "one.mp4") == pytest.approx(wanted, abs=0.001)
    starts = sum(job.origin.tracks[0].durations[:6])
    [marker] = job.results["cut"]["markers"]
    at = Fraction("3.079") + starts - Fraction("5.5")
    assert abs(Fraction(marker["start"]) - at) < Fraction(1, 1000)
    assert "DATERANGE" in playlist.read_text()
    assert not list(job.target.glob("*.jpg"))


async def test_what_is_missing_of_radio_is_a_gap(job, monkeypatch):
    monkeypatch.setattr("taskengine.capture.demand.PATIENCE", 0.3)
    job.faults["a.test"] = lambda path, found: Answered(404) if path == "/a/7.m4s" else found
    clip = {"source": "http://a.test/live.mpd", "start": utc(4), "end": utc(9)}
    job.begin([clip])
    await job.task("capture")
    await job.task("cut")
    durations = job.origin.tracks[0].durations
    start, end = (BEGAN + sum(durations[:n]) for n in (6, 7))
    [gap] = job.results["cut"]["gaps"]
    assert job.results["cut"]["duration"] == pytest.approx(5 - float(end - start), abs=0.03)
    told = [read_timestamp(gap[name]) for name in ("from", "to")]
    assert all(abs(one - at) < Fraction(1, 500) for one, at in zip(told, (start, end), strict=True))
