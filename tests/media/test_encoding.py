"""Renditions by what is displayed, and arguments of encoders; nothing is encoded."""

import pytest

from taskengine.media import encoding
from taskengine.media.probe import ProbedStream
from taskengine.media.tracks import Track


def video(width, height, **more):
    return Track("video", "v", width=width, height=height, **more)


@pytest.mark.parametrize(
    ("size", "edges"),
    [
        ((1920, 1080), [1080, 720, 480, 360, 240]),
        ((1920, 800), [800, 720, 480, 360, 240]),
        ((1080, 1920), [1080, 720, 480, 360, 240]),  # upright
        ((360, 640), [360, 240]),
        ((3840, 2160), [2160, 1080, 720, 480, 360, 240]),
        ((728, 376), [376, 240]),  # 360 is hardly smaller
        ((171, 91), [90]),
    ],
)
def test_a_ladder_begins_with_the_size_of_its_source(size, edges):
    rungs = encoding.rungs(video(*size))
    assert [rung.edge for rung in rungs] == edges
    rates = [rung.rate for rung in rungs]
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) == len(rates)


def test_pictures_are_scaled_by_their_shorter_edge():
    assert encoding.scaled(video(1920, 800), 720) == "scale=-2:720"
    assert encoding.scaled(video(1080, 1920), 720) == "scale=720:-2"


@pytest.mark.parametrize(
    ("channels", "rate"), [(1, "96k"), (2, "160k"), (6, "384k"), (8, "512k"), (0, "128k")]
)
def test_sound_gets_the_rate_of_its_channels(channels, rate):
    arguments = encoding.audio(Track("audio", "a", channels=channels), 0)
    assert arguments == ["-c:a", "aac", "-b:a", rate]


def test_silence_stands_before_late_sound():
    late = Track("audio", "a", channels=2, sample_rate=44_100, start=0.7)
    assert encoding.audio(late, 2.0)[-1] == "aresample=async=1:first_pts=88200"


def test_late_pictures_are_held_and_high_dynamic_range_goes():
    [_, plain, *_] = encoding.video("H264", ProbedStream(video(2, 2)), "scale=-2:2")
    assert plain == "yadif=deint=interlaced,scale=-2:2,format=yuv420p"
    stream = ProbedStream(video(2, 2, start=0.7), transfer="smpte2084")
    [_, chain, *_] = encoding.video("H264", stream, "scale=-2:2")
    assert "setpts='if(eq(N,0),PTS-0.700000/TB,PTS)'" in chain
    assert "scale=-2:2:out_transfer=bt709" in chain
