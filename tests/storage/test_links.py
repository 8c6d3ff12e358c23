"""Further names for stored files: what assets that share segments rest on."""

import errno
import os

import pytest

from taskengine.model import BadInput, FenceMoved
from taskengine.storage import FileNotStored, Folder, StorageRefused
from taskengine.storage.local import LocalStorage


@pytest.fixture
def archive(tmp_path):
    storage = LocalStorage([tmp_path / "input", tmp_path / "output"])
    for name in ("one", "two"):
        path = tmp_path / "input/archive" / name / "a.m4s"
        path.parent.mkdir(parents=True)
        path.write_text(name)
    return Folder(storage, str(tmp_path / "input"), "archive")


@pytest.fixture
def asset(archive, tmp_path):
    (tmp_path / "output").mkdir()
    return Folder(archive.storage, str(tmp_path / "output"), "films/c1")


PAIRS = [("one/a.m4s", "1.m4s"), ("two/a.m4s", "2.m4s")]


async def test_a_link_is_the_file_itself_and_outlives_the_first_name(archive, asset, tmp_path):
    await asset.share(archive, PAIRS)
    place = tmp_path / "output/films/c1"
    assert (place / "1.m4s").samefile(tmp_path / "input/archive/one/a.m4s")
    await archive.clear()
    assert [(place / name).read_text() for _, name in PAIRS] == ["one", "two"]
    assert {(place / name).stat().st_nlink for _, name in PAIRS} == {1}


async def test_links_can_be_made_again_and_take_the_place_of_files(archive, asset, tmp_path):
    for _ in range(2):
        await asset.share(archive, PAIRS)
    await asset.share(archive, [("two/a.m4s", "1.m4s")])
    place = tmp_path / "output/films/c1"
    assert (place / "1.m4s").read_text() == "two"
    assert sorted(path.name for path in place.iterdir()) == ["1.m4s", "2.m4s"]


async def test_what_is_gone_or_outside_has_no_link(archive, asset):
    with pytest.raises(FileNotStored, match=r"one/b\.m4s: no such file"):
        await asset.share(archive, [("one/b.m4s", "1.m4s")])
    with pytest.raises(FileNotStored, match="three: no such folder"):
        await asset.share(archive, [("three/a.m4s", "1.m4s")])
    with pytest.raises(BadInput, match="not within the folders"):
        await asset.share(archive, [("../../../etc/passwd", "1.m4s")])


async def test_an_attempt_that_is_over_makes_no_link(archive, asset, tmp_path):
    async def over():
        raise FenceMoved("over")

    outdated = Folder(asset.storage, asset.root, asset.path, over)
    with pytest.raises(FenceMoved):
        await outdated.share(archive, PAIRS)
    assert not (tmp_path / "output/films").exists()


async def test_another_file_system_is_told(archive, asset, monkeypatch):
    def refuse(*args, **options):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StorageRefused, match=r"can have no link .*: Invalid cross-device link"):
        await asset.share(archive, PAIRS)


async def test_another_storage_has_no_links_to_a_file(archive, asset, tmp_path):
    other = Folder(LocalStorage([tmp_path / "output"]), asset.root, asset.path)
    with pytest.raises(StorageRefused, match="can have no links to"):
        await other.share(archive, PAIRS)
