"""Cuts of real pictures: every frame number right, whatever is copied and whatever encoded."""

from fractions import Fraction
from itertools import pairwise
from random import Random

import pytest

from taskengine.capture.assembly import Assembler
from taskengine.capture.moments import to_millisecond
from taskengine.capture.pieces import pieces, stretches
from taskengine.capture.video import VideoCutter
from taskengine.media.tools import Bench
from taskengine.runtime.process import run_process
from taskengine.storage import Folder
from taskengine.storage.local import LocalStorage
from tests.capture.film import as_fetched, key_times, make_pictures, numbers, packet_times

KINDS = {
    "25": {"rate": "25"},
    "29.97": {"rate": "30000/1001", "gop": 60},
    "open": {"rate": "25", "open_gop": True},
    "hevc": {"rate": "25", "codec": "libx265"},
}


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    made = {}

    def film(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("film") / "v"
            make_pictures(folder, 16, **KINDS[name])
            made[name] = (folder, key_times(folder))
        return made[name]

    return film


@pytest.fixture
def cutter(tmp_path):
    async def run(command, *, on_line=None):
        return await run_process(command, cwd=tmp_path, on_line=on_line)

    def over(folder):
        storage = Folder(LocalStorage([folder.parent]), str(folder.parent), "")
        return VideoCutter(Bench(run, tmp_path), Assembler(storage, tmp_path), "v")

    return over


async def cut(cutter, segments, start, end, target):
    looked = [await cutter.look(one) for one in stretches(segments)]
    found = pieces([one.stretch for one in looked], start, end)
    await cutter.cut(looked, found, target)
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_random_ranges_are_exact_to_the_frame(films, cutter, tmp_path, kind):
    folder, starts = films(kind)
    rate, gop = Fraction(KINDS[kind]["rate"]), KINDS[kind].get("gop", 50)
    segments = as_fetched(folder, starts, gop / rate, zero=Fraction(1_925_000_000))
    random = Random(7)
    for _ in range(4):
        first, last = sorted(random.sample(range(20, int(14 * rate)), 2))
        start, end = (to_millisecond(1_925_000_000 + n / rate) for n in (first, last))
        target = tmp_path / "cut.mp4"
        await cut(cutter(folder), segments, start, end, target)
        assert numbers(target) == list(range(first, last))
        times = packet_times(target)
        assert max(b - a for a, b in pairwise(times)) < 1.5 / rate
        target.unlink()


async def test_a_missing_segment_is_a_gap_and_the_rest_is_there(films, cutter, tmp_path):
    folder, starts = films("25")
    segments = as_fetched(folder, starts, Fraction(2), leave=[2])
    target = tmp_path / "cut.mp4"
    found = await cut(cutter(folder), segments, Fraction(1), Fraction(9), target)
    assert numbers(target) == [*range(25, 100), *range(150, 225)]
    assert [(one.start, one.end) for one in found] == [(1, 4), (6, 9)]
