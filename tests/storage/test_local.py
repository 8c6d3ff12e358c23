import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from taskengine.model import BadInput
from taskengine.storage import FileNotStored, Folder, StoredFile, clean_folder
from taskengine.storage import local as local_module
from taskengine.storage.local import LocalStorage
from taskengine.testing.contract.storages import written


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "output").mkdir()
    return tmp_path / "output"


@pytest.fixture
def storage(root: Path) -> LocalStorage:
    return LocalStorage([root])


@pytest.fixture
def folder(root: Path, storage: LocalStorage) -> Folder:
    return Folder(storage, str(root), "films/c1")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    return tmp_path / "outside"


async def test_a_file_put_is_listed_and_fetched(folder, root, tmp_path):
    await folder.put(written(tmp_path / "a"), "a.ism")
    await folder.put(written(tmp_path / "b", "more text"), "sub/b.m4s")
    assert await folder.list() == [StoredFile("a.ism", 4), StoredFile("sub/b.m4s", 9)]
    await folder.fetch("sub/b.m4s", tmp_path / "scratch" / "b")
    assert (tmp_path / "scratch" / "b").read_text() == "more text"
    assert (root / "films/c1/a.ism").read_text() == "text"


async def test_files_may_be_there_before_they_are_on_disk(folder, root, tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("taskengine.storage.pinned.sync", synced.append)
    monkeypatch.setattr(local_module, "sync", synced.append)
    await folder.put_unsynced(written(tmp_path / "a"), "a")
    await folder.put_unsynced(written(tmp_path / "b"), "sub/b")
    assert (root / "films/c1/sub/b").read_text() == "text"
    assert synced == []
    await folder.sync(["a", "sub/b"])
    assert len(synced) == 4  # two files, and the folders that name them
    with pytest.raises(FileNotStored):
        await folder.sync(["c"])


async def test_a_relative_root_is_taken_from_the_base(tmp_path):
    folder = Folder(LocalStorage(["var/output"], tmp_path), "var/output", "c1")
    await folder.put(written(tmp_path / "a"), "a")
    assert (tmp_path / "var/output/c1/a").exists()
    assert [file.name for file in await folder.list()] == ["a"]


async def test_put_replaces_a_file_but_not_for_who_reads_it(folder, root, tmp_path):
    await folder.put(written(tmp_path / "a", "old"), "a")
    with (root / "films/c1/a").open() as reader:
        await folder.put(written(tmp_path / "a", "new"), "a")
        assert reader.read() == "old"
    assert (root / "films/c1/a").read_text() == "new"


async def test_what_was_fetched_can_be_put_elsewhere_and_stays_a_file(folder, root, tmp_path):
    original = written(root / "films/c1/a", "kept")
    await folder.fetch("a", tmp_path / "link")
    await folder.put(tmp_path / "link", "b")
    original.unlink()
    assert not (root / "films/c1/b").is_symlink()
    assert (root / "films/c1/b").read_text() == "kept"


@pytest.fixture
def other_file_system(monkeypatch):
    """Have every replacement refused that is not within one folder."""
    replace = os.replace

    def refuse(source, target):
        if Path(source).parent.resolve() != Path(target).parent.resolve():
            raise OSError(18, "Invalid cross-device link")
        replace(source, target)

    monkeypatch.setattr(local_module.os, "replace", refuse)


@pytest.mark.usefixtures("other_file_system")
async def test_put_copies_from_another_file_system(folder, root, tmp_path):
    await folder.put(written(tmp_path / "a"), "a")
    assert [path.name for path in (root / "films/c1").iterdir()] == ["a"]
    assert (root / "films/c1/a").read_text() == "text"


@pytest.mark.usefixtures("other_file_system")
async def test_a_copy_that_fails_leaves_nothing(folder, root, tmp_path, monkeypatch):
    def fail(path):
        raise OSError(28, "No space left on device")

    written(root / "films/c1/a", "old")
    source = written(tmp_path / "a", "new")
    monkeypatch.setattr(local_module, "sync", lambda path: path == source or fail(path))
    with pytest.raises(OSError, match="No space"):
        await folder.put(source, "a")
    assert [path.name for path in (root / "films/c1").iterdir()] == ["a"]
    assert (root / "films/c1/a").read_text() == "old"


async def test_a_cancelled_copy_ends_and_leaves_nothing(folder, root, tmp_path, monkeypatch):
    monkeypatch.setattr(local_module, "CHUNK", 1)
    endless = tmp_path / "endless"
    endless.symlink_to("/dev/zero")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(folder.put, endless, "a")
        await begun(root)
        nursery.cancel_scope.cancel()
    assert list((root / "films/c1").iterdir()) == []


async def begun(root):
    """The parts of files that are being written, once there are any."""
    with trio.fail_after(60):
        while not (parts := list(root.glob("films/c1/*"))):
            await trio.sleep(0.01)
    return parts


KILLED = """
import sys, trio
from pathlib import Path
from taskengine.storage import local
local.CHUNK = 1
storage = local.LocalStorage([sys.argv[1]])
trio.run(storage.put, Path(sys.argv[2]), sys.argv[1] + "/films/c1/a")
"""


async def test_what_a_killed_copy_left_is_removed_by_the_next(folder, root, tmp_path):
    (tmp_path / "endless").symlink_to("/dev/zero")
    with subprocess.Popen([sys.executable, "-c", KILLED, root, tmp_path / "endless"]) as copying:
        try:
            [part] = await begun(root)
            (tmp_path / "whole").symlink_to(written(tmp_path / "b"))
            await folder.put(tmp_path / "whole", "b")
            assert part.exists()  # it is being written
        finally:
            copying.kill()
    await folder.put(tmp_path / "whole", "b")
    assert [path.name for path in (root / "films/c1").iterdir()] == ["b"]


async def test_deleting_the_last_file_takes_leftovers_along(folder, root):
    written(root / "films/c1/a")
    written(root / "films/c1" / f"{local_module.TEMPORARY}1")
    await folder.delete("a")
    assert list(root.iterdir()) == []


async def test_folders_without_a_whole_file_are_known(folder, root):
    assert await folder.folders() == []
    written(root / "films/c1/a")
    (root / "films/c1/empty").mkdir()
    written(root / "films/c1/part" / f"{local_module.TEMPORARY}1")
    assert await folder.folders() == ["empty", "part"]


async def test_files_that_are_not_whole_yet_are_not_listed(folder, root):
    written(root / "films/c1" / f"{local_module.TEMPORARY}1")
    written(root / "films/c1/.hidden")
    assert [file.name for file in await folder.list()] == [".hidden"]


async def test_an_absent_folder_is_not_stored(folder, root):
    with pytest.raises(FileNotStored):
        await folder.list()
    written(root / "films/c1")
    with pytest.raises(FileNotStored):
        await folder.list()


async def test_absent_files_are_not_stored(folder, tmp_path):
    with pytest.raises(FileNotStored):
        await folder.fetch("a", tmp_path / "a")
    with pytest.raises(FileNotStored):
        await folder.delete("a")
    with pytest.raises(FileNotStored):
        await folder.rename("a", "b")


async def test_a_rename_may_be_repeated(folder, root):
    written(root / "films/c1/a")
    for _ in range(2):
        await folder.rename("a", "new/b")
    assert [file.name for file in await folder.list()] == ["new/b"]


async def test_deleting_removes_folders_left_empty_but_never_the_root(folder, root):
    written(root / "films/c1/sub/a")
    written(root / "films/c1/b")
    await folder.delete("sub/a")
    assert [path.name for path in (root / "films/c1").iterdir()] == ["b"]
    await folder.delete("b")
    assert list(root.iterdir()) == []


async def test_clearing_removes_a_folder_and_may_be_repeated(folder, root):
    written(root / "films/c1/sub/a")
    written(root / "films/c2/a")
    for _ in range(2):
        await folder.clear()
    assert [path.name for path in (root / "films").iterdir()] == ["c2"]


async def test_a_root_is_never_cleared(tmp_path, root, storage):
    written(root / "a")
    nested = LocalStorage([tmp_path, root / "deep"])
    for clearing in (storage, nested):
        with pytest.raises(BadInput):
            await clearing.clear(str(root))
    assert (root / "a").exists()


@pytest.mark.parametrize(
    "key",
    [
        "{root}/../outside/secret",
        "{outside}/secret",
        "{root}x/secret",
        "/etc/passwd",
        "a\0b",
        "{root}/inside/../inside/file",
    ],
)
async def test_paths_that_leave_the_roots_are_refused(root, outside, storage, key, tmp_path):
    key = key.format(root=root, outside=outside)
    await refused(storage, key, root, tmp_path)


async def test_links_that_leave_the_roots_are_refused(root, outside, storage, tmp_path):
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    (root / "nothing").symlink_to(outside / "nothing")
    (root / "round").symlink_to("round/and/round")
    for name in ("folder", "folder/secret", "folder/new/x", "file", "nothing"):
        await refused(storage, f"{root}/{name}", root, tmp_path)
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_text() == "secret"
    assert await storage.list(str(root)) == []


async def refused(storage: LocalStorage, key: str, root: Path, tmp_path: Path) -> None:
    inside = str(written(root / "inside/file"))
    for operation in (
        lambda: storage.list(key),
        lambda: storage.fetch(key, tmp_path / "fetched"),
        lambda: storage.put(written(tmp_path / "source"), key),
        lambda: storage.move(inside, key),
        lambda: storage.move(key, inside),
        lambda: storage.delete(key),
        lambda: storage.clear(key),
    ):
        with pytest.raises(BadInput):
            await operation()
    await storage.delete(inside)


async def test_links_within_the_roots_are_followed(tmp_path, root):
    mounted = tmp_path / "mounted"
    storage = LocalStorage([root, mounted])
    written(mounted / "c1/a", "text")
    (root / "films").symlink_to(mounted)
    folder = Folder(storage, str(root), "films/c1")
    assert await folder.list() == [StoredFile("a", 4)]
    await folder.put(written(tmp_path / "b"), "b")
    await folder.rename("b", "c")
    assert sorted(path.name for path in (mounted / "c1").iterdir()) == ["a", "c"]
    await folder.delete("a")
    await folder.delete("c")
    assert list(mounted.iterdir()) == []
    assert (root / "films").is_symlink()


async def test_a_link_to_a_folder_is_cleared_without_what_it_leads_to(root, storage):
    written(root / "c1/a")
    (root / "alias").symlink_to(root / "c1")
    await storage.clear(str(root / "alias"))
    assert [path.name for path in root.iterdir()] == ["c1"]
    assert (root / "c1/a").exists()


class Overtaken(Exception):
    """Another attempt has begun."""


@pytest.fixture
def fenced(folder):
    """The folder behind a fence that lets one change through."""
    asked = []

    async def fence():
        asked.append(None)
        if len(asked) > 1:
            raise Overtaken

    return replace(folder, fence=fence)


async def test_a_writer_that_is_overtaken_between_two_files_stops_there(
    fenced, folder, root, tmp_path
):
    for name in ("a", "b"):
        written(root / "films/c1/staged" / name)
    await fenced.take(folder.below("staged"), "a")
    with pytest.raises(Overtaken):
        await fenced.take(folder.below("staged"), "b")
    for change in (
        lambda: fenced.put(written(tmp_path / "c"), "c"),
        lambda: fenced.rename("a", "x"),
        lambda: fenced.delete("a"),
        fenced.clear,
    ):
        with pytest.raises(Overtaken):
            await change()
    assert [file.name for file in await folder.list()] == ["a", "staged/b"]


async def test_a_writer_that_is_overtaken_while_it_copies_leaves_nothing(
    fenced, root, tmp_path, monkeypatch
):
    """It asks when the copy is whole: copying may take long, and be stopped in between."""
    (tmp_path / "link").symlink_to(written(tmp_path / "a"))
    seen = []
    monkeypatch.setattr(local_module, "sync", lambda path: seen.append(path.name))
    await fenced.put(tmp_path / "link", "a")
    with pytest.raises(Overtaken):
        await fenced.put(tmp_path / "link", "b")
    assert [path.name for path in (root / "films/c1").iterdir()] == ["a"]
    assert len([name for name in seen if name.startswith(local_module.TEMPORARY)]) == 2


def test_a_path_is_as_long_as_every_storage_takes():
    for good in ("ä" * 127 + "x", "/".join(["d" * 255] * 4), "/a//b/./c/"):
        clean_folder("folder", good)
    for bad in ("ä" * 128, "a/" + "x" * 256, "/".join(["d" * 204] * 6)):
        with pytest.raises(
            BadInput, match=r"^folder: expected at most 1024 bytes, and 255 between"
        ):
            clean_folder("folder", bad)
