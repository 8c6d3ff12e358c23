"""The workflow generate_gif, run from its file: which pictures, how large, how fast."""

import pytest
from PIL import Image

from taskengine.model import BadInput, PermanentFailure
from tests.actions.captures import utc
from tests.actions.streams import StreamJob, codes, rounded
from tests.capture.origin import Answered

GIVEN = {
    "content_id": "one",
    "source": "http://a.test/master.m3u8",
    "start_at": "00:00:04",
    "duration": 1,
    "output_folder": "one/social",
    "gif_filename": "leap.gif",
}
FILM = (320, 192)


@pytest.fixture
def job(tmp_path, stream):
    return StreamJob("generate_gif", tmp_path, stream, GIVEN)


def made(job):
    return job.output / "one/social/leap.gif"


def lasting(path):
    """Seconds of all its pictures."""
    with Image.open(path) as gif:
        total = 0
        for place in range(gif.n_frames):
            gif.seek(place)
            total += gif.info["duration"]
        return total / 1000


async def test_the_pictures_are_those_that_are_shown_at_its_rate(job):
    extras = await job(fps=12.5, height=192)
    assert codes(made(job)) == list(range(100, 125, 2))
    assert extras == {"message": "leap.gif", "files": [str(made(job))]}
    assert lasting(made(job)) == pytest.approx(1, abs=0.05)
    with Image.open(made(job)) as gif:
        assert (gif.size, gif.info["loop"]) == (FILM, 0)


async def test_each_option_is_honoured(job):
    options = {"bitrate": 200_000, "fps": 25, "width": 160, "playback_loop": 3, "reverse": True}
    await job(start_at=utc("4.08"), duration=0.48, playback_speed=2, **options)
    assert codes(made(job), 0.5) == list(range(112, 101, -2))
    assert not any(path.startswith("/v/") for path in job.asked)
    with Image.open(made(job)) as gif:
        assert (gif.size, gif.info["loop"]) == ((160, 96), 3)


async def test_a_gif_without_a_size_is_480_high_and_shows_twelve_a_second(job):
    await job(start_at=6.5, duration=0.5, source="http://a.test/live.mpd")
    with Image.open(made(job)) as gif:
        assert (gif.size, gif.n_frames) == ((800, 480), 6)
    assert codes(made(job), 2.5)[0] == 163  # the first one at or after 6.5


async def test_rounded_durations_move_no_picture(job):
    job.faults["a.test"] = rounded(1.03)
    await job(start_at=12, duration=0.4, fps=25, height=192)
    assert codes(made(job)) == list(range(300, 310))


async def test_what_the_source_lacks_is_left_out_and_told(job, monkeypatch):
    monkeypatch.setattr("taskengine.capture.demand.PATIENCE", 0.3)
    job.faults["a.test"] = lambda path, found: Answered(404) if path == "/v/6.m4s" else found
    await job(duration=3, fps=25, height=192)
    assert codes(made(job)) == [*range(100, 125), *range(150, 175)]
    assert any("The source has nothing of" in line for line in job.warned())


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"bitrate": 300_000}, "no video of 300000, but of 200000, 500000"),
        ({"start_at": "00:01:00"}, "nothing of its range"),
        ({"duration": 10, "fps": 50, "width": 4096}, "too large"),
    ],
)
async def test_what_cannot_be_made_is_told(job, more, reason):
    with pytest.raises(PermanentFailure, match=reason):
        await job(**more)
    assert job.files() == []


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"start_at": "soon"}, "start_at"),
        ({"start_at": "-1"}, "start_at"),
        ({"start_at": "2031-13-01T00:00:00"}, "start_at"),
        ({"duration": 0}, "duration"),
        ({"gif_filename": "leap.png"}, "gif_filename"),
        ({"gif_filename": "a/leap.gif"}, "gif_filename"),
        ({"fps": 0}, "fps"),
        ({"fps": 60}, "fps"),
        ({"width": 0}, "width"),
        ({"height": -2}, "height"),
        ({"playback_loop": -1}, "playback_loop"),
        ({"playback_speed": 0}, "playback_speed"),
        ({"bitrate": 0}, "bitrate"),
        ({"source": "file:///etc/passwd"}, "source"),
        ({"output_folder": "../up"}, "output_folder"),
    ],
)
def test_what_is_not_honoured_is_refused(job, more, reason):
    with pytest.raises(BadInput, match=reason):
        job.begin(**more)
