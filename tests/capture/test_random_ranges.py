"""Forty ranges of four frame rates, each from another packaging: exact to the frame, the sound with
its pictures."""

import json
import time
from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest

from taskengine.capture.clip import Range
from taskengine.capture.moments import to_millisecond, told
from tests.capture import jobs
from tests.capture.film import beeps, numbers
from tests.capture.live import make_stream
from tests.capture.packaged_origin import packaged_origin

SECONDS, RANGES = 8, 10
BEGAN = Fraction(int(time.time()) - 3600) + Fraction(123, 1000)
BEEP = Fraction(4, 100)  # seconds
RANGE = range(200, 1000 * SECONDS - 500)  # milliseconds
RATES = {
    "25": ("master.m3u8", 25),
    "30000/1001": ("ts.m3u8", 30),
    "50": ("time.mpd", 50),
    "60000/1001": ("one.isml/Manifest", 60),
}


@pytest.fixture(params=RATES)
async def recording(request, tmp_path):
    """All of a small film, as it was recorded; its frame rate."""
    manifest, gop = RATES[request.param]
    folder = tmp_path / "stream"
    tracks = make_stream(folder, SECONDS, request.param, gop, renditions=["w"])
    origin = packaged_origin(folder, tracks, BEGAN, Fraction(10**6))
    start, end = (told(at, has_clock=True) for at in (BEGAN, BEGAN + SECONDS))
    clip = {"source": f"http://a.test/{manifest}", "start": start, "end": end}
    await jobs.recorded(tmp_path, lambda path: origin.answer(path, Fraction(time.time())), [clip])
    return tmp_path / "workspace/7/recording/clip-0/clip.json", Fraction(request.param)


def drawn(random, times):
    """A range that does not begin or end in a beep: by the times of frames, or anywhere. Manifests
    tell times to the millisecond, so that frames nearer than that to a bound might be meant."""
    while True:
        if random.random() < 0.5:
            start, end = sorted(map(to_millisecond, random.sample(times[5:-20], 2)))
        else:
            start, end = (BEGAN + Fraction(n, 1000) for n in sorted(random.sample(RANGE, 2)))
            if any(abs(at - time) < Fraction(1, 1000) for at in times for time in (start, end)):
                continue
        is_clear = all(Fraction(6, 100) < (at - BEGAN) % 1 < 1 - BEEP for at in (start, end))
        if is_clear and end - start > Fraction(6, 100):
            return start, end


async def test_random_ranges_are_exact(recording, tmp_path):
    note, rate = recording
    random, whole = Random(40), Range.of_json(json.loads(note.read_text()))
    times = [BEGAN + n / rate for n in range(int(SECONDS * rate))]
    for attempt in range(1, RANGES + 1):
        start, end = drawn(random, times)
        note.write_text(json.dumps(replace(whole, start=start, end=end).to_json()))
        made = await jobs.cut(tmp_path, attempt=attempt)
        wanted = [n for n, at in enumerate(times) if start <= to_millisecond(at) < end]
        assert numbers(made.tracks["video"][0]) == wanted, (float(start), float(end))
        first, last = wanted[0] / rate, (wanted[-1] + 1) / rate
        heard = [float(second - first) for second in range(SECONDS) if first <= second < last]
        assert beeps(made.tracks["audio"][0]) == pytest.approx(heard, abs=0.001)
        assert made.gaps == []
