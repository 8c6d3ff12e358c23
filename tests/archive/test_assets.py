"""The workflow vodnpvr, run from its file on an archive."""

import pytest

from tests.archive.jobs import ArchiveJob, AssetJob, utc
from tests.capture.film import beeps, numbers
from tests.media import players


@pytest.fixture
async def asset(tmp_path, stream):
    await ArchiveJob(tmp_path, *stream)()
    return AssetJob(tmp_path)


async def test_an_asset_shows_the_whole_segments_of_its_range(asset):
    result = await asset(utc("3.4"), utc("11.8"))
    print(result)
    print(asset.lines)
    for one in asset.files():
        print(one)
    print(asset.manifest("m3u8").read_text())
    print(asset.manifest("mpd").read_text())
    for one in players.renditions(asset.manifest("m3u8")):
        print(one.read_text())
    *pictures, sound = sorted(
        players.renditions(asset.manifest("m3u8")), key=lambda one: "_a" in one.name
    )
    for p in pictures:
        print(numbers(p))
    print(beeps(sound, "-allowed_extensions", "ALL"))
    assert 0
