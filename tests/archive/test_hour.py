"""One hour recorded, a hundred overlapping assets of it: the bytes are stored once."""

import os
import shutil
from fractions import Fraction

import pytest
import trio

from tests.archive.jobs import BEGAN, HOUR, ArchiveJob, AssetJob, make_hour, utc
from tests.archive.test_assets import check_complete

ASSETS = 100
AT_ONCE = 4
STEP, LASTS = 30, 600  # seconds: each minute of the hour is shown by twenty of them


@pytest.fixture(scope="module")
def hour(tmp_path_factory):
    """A folder with the archive of an hour, and how many bytes its segments have."""
    stream, folder = tmp_path_factory.mktemp("stream"), tmp_path_factory.mktemp("hour")
    tracks = make_hour(stream)
    began = BEGAN - HOUR  # it is over
    trio.run(lambda: ArchiveJob(folder, stream, tracks, began=began)(start=utc(-HOUR)))
    return folder, sum(path.stat().st_size for path in stream.rglob("*.m4s"))


async def test_a_hundred_assets_store_no_second_copy(hour, tmp_path):
    folder, copy = hour
    shutil.copytree(folder / "input", tmp_path / "input", copy_function=os.link)
    limit = trio.CapacityLimiter(AT_ONCE)

    async def make(number):
        job, start = AssetJob(tmp_path), number * STEP - HOUR
        async with limit:
            await job(utc(start), utc(start + LASTS), name=f"a{number}", job_id=1000 + number)

    async with trio.open_nursery() as makers:
        for number in range(ASSETS):
            makers.start_soon(make, number)
    assert stored(tmp_path / "input", tmp_path / "output") <= Fraction(102, 100) * copy
    assert stored(tmp_path / "output", suffix="") <= Fraction(102, 100) * copy + ASSETS * 40_000
    for number in range(0, ASSETS, 2):
        shutil.rmtree(tmp_path / f"output/npvr/a{number}")
    shutil.rmtree(tmp_path / "input")
    for number in range(1, ASSETS, 2):
        place = tmp_path / f"output/npvr/a{number}"
        check_complete(place)
        assert len(list(place.glob("*_v1_*.m4s"))) == LASTS // 20 + (number * STEP % 20 > 0)
    assert stored(tmp_path / "output") <= copy


def stored(*folders, suffix=".m4s"):
    """Bytes on disk of files by their names' ends, each counted once, however many names it has."""
    found = {}
    for folder in folders:
        for path in folder.rglob(f"*{suffix}"):
            state = path.stat()
            found[state.st_ino] = state.st_size if path.is_file() else 0
    return sum(found.values())
