"""Somebody else writes into a root while a task works in it: links take the place of what was
checked. Nothing outside of the roots is read, written or removed."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from taskengine.actions import find_actions
from taskengine.actors.failures import AttemptFailed
from taskengine.model import BadInput
from taskengine.storage import Folder, StoredFile
from taskengine.storage.local import LocalStorage
from taskengine.testing.actions import fake_context
from tests.storage.test_local import written


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture
def outside(tmp_path):
    written(tmp_path / "outside/a", "secret")
    written(tmp_path / "outside/new/a", "secret")
    return tmp_path / "outside"


def swapping(root, folder, outside):
    """The folder `films/c1` behind a fence in which somebody puts a link in the place of one."""

    async def fence():
        if not (root / folder).is_symlink():
            if (root / folder).exists():
                (root / folder).rename(root / "moved-away")
            (root / folder).parent.mkdir(parents=True, exist_ok=True)
            (root / folder).symlink_to(outside)

    return Folder(LocalStorage([root]), str(root), "films/c1", fence)


def everything(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("a")}


@pytest.mark.parametrize("place", ["films/c1", "films", "films/c1/new"])
@pytest.mark.parametrize("change", ["put", "copy", "rename", "delete", "clear", "move"])
async def test_a_folder_swapped_for_a_link_lets_nobody_out(root, outside, tmp_path, place, change):
    for name in ("a", "new/a", "b"):
        written(root / "films/c1" / name, "inside")
    source, before = written(tmp_path / "source"), everything(outside)
    if change == "copy":
        source = tmp_path / "link"
        source.symlink_to(tmp_path / "source")
    folder = swapping(root, place, outside)
    changes = {
        "put": lambda: folder.put(source, "new/a"),
        "copy": lambda: folder.put(source, "new/a"),
        "rename": lambda: folder.rename("b", "new/a"),
        "delete": lambda: folder.delete("new/a"),
        "clear": lambda: folder.below("new").clear(),
        "move": lambda: folder.below("new").take(folder, "b"),
    }
    with pytest.raises((BadInput, OSError)):
        await changes[change]()
        raise OSError  # a link itself may be removed: it is in the root
    assert everything(outside) == before
    assert [path.name for path in tmp_path.rglob(".part-*")] == []


async def test_a_fetched_file_stays_what_it_was(root, outside, tmp_path):
    stored = written(root / "films/c1/a", "inside")
    folder = Folder(LocalStorage([root]), str(root), "films/c1")
    await folder.fetch("a", tmp_path / "scratch/a")
    stored.unlink()
    stored.symlink_to(outside / "a")
    assert (tmp_path / "scratch/a").read_text() == "inside"
    with pytest.raises(BadInput):
        await folder.fetch("a", tmp_path / "scratch/b")
    assert not (tmp_path / "scratch/b").exists()


async def test_a_file_swapped_while_it_is_fetched_is_refused(root, outside, tmp_path, monkeypatch):
    written(root / "films/c1/a", "inside")
    storage = LocalStorage([root])
    found = storage._file

    def swap(key):
        path = found(key)
        path.unlink()
        path.symlink_to(outside / "a")
        return path

    monkeypatch.setattr(storage, "_file", swap)
    with pytest.raises(BadInput):
        await storage.fetch(f"{root}/films/c1/a", tmp_path / "a")
    assert not (tmp_path / "a").exists()


async def test_from_another_file_system_a_link_is_lent(root, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    written(root / "films/c1/a", "inside")
    monkeypatch.setattr(os, "link", refuse)
    folder = Folder(LocalStorage([root]), str(root), "films/c1")
    await folder.fetch("a", tmp_path / "a")
    assert (tmp_path / "a").is_symlink()
    assert (tmp_path / "a").read_text() == "inside"


async def test_what_was_lent_is_put_as_a_copy(root, tmp_path):
    stored = written(root / "films/c1/a", "inside")
    folder = Folder(LocalStorage([root]), str(root), "films/c1")
    await folder.fetch("a", tmp_path / "a")
    await folder.put(tmp_path / "a", "b")
    assert (root / "films/c1/b").read_text() == "inside"
    assert not os.path.samefile(root / "films/c1/b", stored)


async def test_a_name_that_is_no_utf8_is_told_of(root, tmp_path):
    written(root / "films/c1/good.mp4")
    with open(os.fsencode(root / "films/c1") + b"/f\xe9d.mp4", "w"):
        pass
    folder = Folder(LocalStorage([root]), str(root), "films/c1")
    with pytest.raises(BadInput, match=r"no UTF-8, rename or remove it: f\\xe9d\.mp4") as caught:
        await folder.list()
    assert AttemptFailed.of(caught.value).final
    assert str(caught.value).isascii()


async def test_a_name_that_is_no_utf8_fails_a_listing_for_good(tmp_path):
    context, _ = fake_context(tmp_path)
    (tmp_path / "output/film").mkdir(parents=True)
    (Path(os.fsdecode(os.fsencode(tmp_path / "output/film") + b"/\xff"))).touch()
    with pytest.raises(BadInput, match=r"\\xff"):
        await find_actions()["storage.list"](context, {"storage": "local", "folder": "film"})


async def test_a_list_is_of_what_is_there(root):
    written(root / "films/c1/sub/a", "text")
    (root / "films/c1/alias").symlink_to(root / "films/c1/sub/a")
    (root / "films/c1/folder").symlink_to(root / "films/c1/sub")
    os.mkfifo(root / "films/c1/pipe")
    folder = replace(Folder(LocalStorage([root]), str(root), "films"), path="films/c1")
    assert await folder.list() == [StoredFile("alias", 4), StoredFile("sub/a", 4)]
