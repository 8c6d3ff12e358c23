"""The same range gives the same frames and the same sound, whatever the origin packages it in."""

import time
from fractions import Fraction
from itertools import pairwise

import pytest

from taskengine.capture.moments import told
from taskengine.capture.packed import WRAP
from tests.capture.film import beeps, numbers, packet_times
from tests.capture.jobs import captured
from tests.capture.live import make_stream
from tests.capture.packaged_origin import MANIFESTS, packaged_origin

SECONDS = 20
FIRST, LAST = 83, 440  # frames of 25 a second: from 3.32 to 17.6 s
BEGAN = Fraction(int(time.time()) - 3600)  # the stream is over: an archive


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stream")
    tracks = make_stream(folder, SECONDS)
    return packaged_origin(folder, tracks, BEGAN, Fraction(10**6))


def utc(frame):
    return told(BEGAN + Fraction(frame, 25), has_clock=True)


@pytest.mark.parametrize("kind", MANIFESTS)
async def test_a_range_has_the_same_frames_and_sound(origin, tmp_path, kind):
    clip = {"source": f"http://a.test/{MANIFESTS[kind]}", "start": utc(FIRST), "end": utc(LAST)}
    made = await captured(tmp_path, lambda path: origin.answer(path, Fraction(time.time())), [clip])
    assert len(made.tracks["video"]) == (1 if "MPEG-TS" in kind or "packed" in kind else 2)
    for path in made.tracks["video"]:
        assert numbers(path) == list(range(FIRST, LAST))
        assert max(b - a for a, b in pairwise(packet_times(path))) < Fraction(3, 50)
    [sound] = made.tracks["audio"]
    at = [second - FIRST / 25 for second in range(4, LAST // 25 + 1)]
    assert beeps(sound) == pytest.approx(at, abs=0.001)
    assert made.gaps == []
    assert made.warnings == []


@pytest.mark.parametrize("manifest", ["ts.m3u8", "packed.m3u8"])
async def test_times_of_transport_streams_may_begin_anew(tmp_path, manifest):
    """After 26.5 hours, here in the 71st second of 78."""
    folder = tmp_path / "stream"
    tracks = make_stream(folder, 78, rate="5", gop=5)
    origin = packaged_origin(folder, tracks, BEGAN, Fraction(10**6), begins=float(WRAP) - 70.7)
    start, end = (told(BEGAN + Fraction(second), has_clock=True) for second in ("2.4", "75.6"))
    clip = {"source": f"http://a.test/{manifest}", "start": start, "end": end}
    made = await captured(tmp_path, lambda path: origin.answer(path, Fraction(time.time())), [clip])
    assert numbers(made.tracks["video"][0]) == list(range(12, 378))
    found = beeps(made.tracks["audio"][0])
    assert found == pytest.approx([second - 2.4 for second in range(3, 76)], abs=0.001)
