"""Cuts of real sound: beeps at the whole seconds of the stream, exact after joints and gaps."""

import struct
from fractions import Fraction

import pytest

from taskengine.capture.assembly import Assembler
from taskengine.capture.audio import AudioCutter
from taskengine.capture.pieces import Span
from taskengine.media.sample import beginnings
from taskengine.media.tools import Bench
from taskengine.runtime.process import run_process
from taskengine.storage import Folder
from taskengine.storage.local import LocalStorage
from tests.capture.film import as_fetched, first_times, make_sound

RATE, CHANNELS = 48_000, 2
ZERO = Fraction(1_925_000_000)


@pytest.fixture(scope="session")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound") / "a"
    make_sound(folder, 20)
    return folder


@pytest.fixture
def cutter(tmp_path, sound):
    async def run(command, *, on_line=None):
        return await run_process(command, cwd=tmp_path, on_line=on_line)

    storage = Folder(LocalStorage([sound.parent]), str(sound.parent), "")
    return AudioCutter(Bench(run, tmp_path), Assembler(storage, tmp_path), "a")


def beeps(path):
    """Seconds at which a beep begins."""
    data = path.read_bytes()
    return beginnings(struct.unpack(f"<{len(data) // 2}h", data)[::CHANNELS])


async def test_spans_are_cut_to_the_sample_and_follow_each_other(sound, cutter):
    segments = as_fetched(sound, first_times(sound), Fraction(2), "audio-1", ZERO)
    spans = [
        Span(ZERO + Fraction(2333, 1000), ZERO + Fraction(5111, 1000)),
        Span(ZERO + Fraction(9), ZERO + Fraction(12)),
    ]
    path = await cutter.decode(segments, spans, RATE, CHANNELS)
    found = beeps(path)
    assert path.stat().st_size == round((2.778 + 3) * RATE) * 4
    expected = [3 - 2.333, 4 - 2.333, 5 - 2.333, 2.778, 3.778, 4.778]
    assert found == pytest.approx(expected, abs=0.001)


async def test_a_missing_segment_is_silence(sound, cutter):
    segments = as_fetched(sound, first_times(sound), Fraction(2), "audio-1", ZERO, leave=[2])
    path = await cutter.decode(segments, [Span(ZERO + 1, ZERO + 9)], RATE, CHANNELS)
    found = beeps(path)
    assert path.stat().st_size == 8 * RATE * 4
    assert found == pytest.approx([0, 1, 2, 5, 6, 7], abs=0.03)
