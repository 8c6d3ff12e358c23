"""All that a storage promises, whichever it is."""

import hashlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from taskengine.model import BadInput
from taskengine.storage import FileNotStored, FileStored, Folder, Storage, StoredFile

LARGE = 20 << 20  # bytes; more than a part of an upload or a piece of a download
ODD = [
    "with space",
    "ü é",
    "日本",
    "a#b?c",
    "a%20b",
    "a+b&c=d",
    "~a*b:c",
    'it\'s "so"',
    "[x]{y}",
    ".x",
]


class Overtaken(Exception):
    """Another attempt has begun."""


def written(path: Path, text: str = "text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


class StorageContract:
    """The class of each storage gives `storage`, with nothing in it, and `root`, one of its roots;
    `tmp_path` is on another file system or on the same one."""

    @pytest.fixture
    def folder(self, storage: Storage, root: str) -> Folder:
        return Folder(storage, root, "films/c1")

    @pytest.fixture
    def store(self, folder, tmp_path):
        """Put texts by name, in the folder or in one beside it."""

        async def store(texts, place=folder):
            for name, text in texts.items():
                await place.put(written(tmp_path / "to-store", text), name)

        return store

    @pytest.fixture
    def read(self, folder, tmp_path):
        """The text of a stored file."""

        async def read(name, place=folder):
            await place.fetch(name, tmp_path / "fetched")
            return (tmp_path / "fetched").read_text()

        return read

    async def test_a_file_put_is_listed_and_fetched(self, folder, store, tmp_path):
        await store({"sub/b.m4s": "more text", "a.ism": "text"})
        assert await folder.list() == [StoredFile("a.ism", 4), StoredFile("sub/b.m4s", 9)]
        await folder.fetch("sub/b.m4s", tmp_path / "scratch" / "b")
        assert (tmp_path / "scratch" / "b").read_text() == "more text"

    async def test_the_size_of_a_file_is_told_and_that_there_is_none(self, folder, store):
        await store({"sub/b.m4s": "more text", "empty": ""})
        assert [await folder.size(name) for name in ("sub/b.m4s", "empty")] == [9, 0]
        for absent in ("c", "sub", "sub/b.m4s/x"):
            assert not await folder.has(absent)
        with pytest.raises(FileNotStored):
            await folder.size("c")

    async def test_put_replaces_a_file_but_not_what_was_fetched_of_it(
        self, folder, store, tmp_path
    ):
        await store({"a": "old"})
        await folder.fetch("a", tmp_path / "kept")
        await store({"a": "new, and longer"})
        assert (tmp_path / "kept").read_text() == "old"
        await folder.fetch("a", tmp_path / "kept")
        assert (tmp_path / "kept").read_text() == "new, and longer"

    async def test_what_was_fetched_can_be_put_elsewhere(self, folder, store, read, tmp_path):
        await store({"a": "kept"})
        await folder.fetch("a", tmp_path / "link")
        await folder.put(tmp_path / "link", "b")
        await folder.delete("a")
        assert await read("b") == "kept"

    async def test_an_empty_file_is_a_file(self, folder, store, read):
        await store({"a": ""})
        assert await folder.list() == [StoredFile("a", 0)]
        assert await read("a") == ""

    async def test_a_large_file_is_stored_whole_and_moved_whole(self, folder, tmp_path):
        block = bytes(range(256)) * 4096
        with (tmp_path / "large").open("wb") as file:
            for number in range(LARGE // len(block)):
                file.write(block[number:] + block[:number])
        digest = hashlib.sha256((tmp_path / "large").read_bytes()).digest()
        await folder.put(tmp_path / "large", "a.mp4")
        await folder.rename("a.mp4", "b.mp4")
        assert await folder.list() == [StoredFile("b.mp4", LARGE)]
        await folder.fetch("b.mp4", tmp_path / "back")
        assert hashlib.sha256((tmp_path / "back").read_bytes()).digest() == digest

    async def test_names_are_kept_as_they_are(self, folder, store, read):
        await store({name: name for name in ODD})
        assert [file.name for file in await folder.list()] == sorted(ODD)
        assert [await read(name) for name in ODD] == ODD
        for name in ODD:
            await folder.rename(name, f"sub/{name}")
        assert [file.name for file in await folder.below("sub").list()] == sorted(ODD)

    async def test_a_folder_has_what_is_below_it_alone(self, folder, store, root):
        beside = Folder(folder.storage, root, "films/c10")
        await store({"a": ""})
        await store({"b": ""}, beside)
        assert [file.name for file in await folder.list()] == ["a"]
        assert [file.name for file in await Folder(folder.storage, root, "films").list()] == [
            "c1/a",
            "c10/b",
        ]

    async def test_folders_of_a_folder_are_known(self, folder, store):
        assert await folder.folders() == []
        await store({"a": "", "y/a": "", "x/deep/a": ""})
        assert await folder.folders() == ["x", "y"]

    async def test_absent_files_and_folders_are_not_stored(self, folder, tmp_path):
        for absent in (
            folder.list,
            lambda: folder.fetch("a", tmp_path / "a"),
            lambda: folder.delete("a"),
            lambda: folder.rename("a", "b"),
        ):
            with pytest.raises(FileNotStored):
                await absent()
        assert not (tmp_path / "a").exists()

    async def test_a_rename_may_be_repeated(self, folder, store, read):
        await store({"a": "text", "b": "other"})
        for _ in range(2):
            await folder.rename("a", "new/b")
        assert [file.name for file in await folder.list()] == ["b", "new/b"]
        assert await read("new/b") == "text"

    async def test_a_rename_replaces_what_is_there(self, folder, store, read):
        await store({"a": "text", "b": "other"})
        await folder.rename("a", "b")
        assert await folder.list() == [StoredFile("b", 4)]
        assert await read("b") == "text"

    async def test_a_rename_to_its_own_name_changes_nothing(self, folder, store, read):
        await store({"a": "text"})
        await folder.rename("a", "a")
        assert await read("a") == "text"

    async def test_a_file_is_taken_from_another_folder(self, folder, store, read, root, tmp_path):
        staged = Folder(folder.storage, root, "staged/1")
        await store({"a": "text"}, staged)
        await folder.take(staged, "a")
        assert await read("a") == "text"
        with pytest.raises(FileNotStored):
            await staged.fetch("a", tmp_path / "a")

    async def test_deleting_the_last_file_removes_the_folder(self, folder, store):
        await store({"sub/a": "", "b": ""})
        await folder.delete("sub/a")
        with pytest.raises(FileNotStored):
            await folder.below("sub").list()
        await folder.delete("b")
        with pytest.raises(FileNotStored):
            await folder.list()

    async def test_clearing_removes_a_folder_and_may_be_repeated(self, folder, store, root):
        beside = Folder(folder.storage, root, "films/c10")
        await store({"sub/a": "", "b": ""})
        await store({"a": ""}, beside)
        for _ in range(2):
            await folder.clear()
        left = await Folder(folder.storage, root, "films").list()
        assert [file.name for file in left] == ["c10/a"]

    async def test_a_root_is_never_cleared(self, folder, store, storage, root):
        await store({"a": ""})
        with pytest.raises(BadInput):
            await storage.clear(root)
        assert [file.name for file in await folder.list()] == ["a"]

    @pytest.mark.parametrize(
        "key",
        ["{root}/../outside", "{root}x/a", "elsewhere/a", "{root}/a/../b", "{root}/a\0b"],
    )
    async def test_keys_outside_of_the_roots_are_refused(self, storage, root, key, tmp_path):
        inside, key = f"{root}/inside", key.format(root=root)
        await storage.put(written(tmp_path / "source"), inside)
        for operation in (
            lambda: storage.list(key),
            lambda: storage.folders(key),
            lambda: storage.fetch(key, tmp_path / "fetched"),
            lambda: storage.put(written(tmp_path / "source"), key),
            lambda: storage.move(inside, key),
            lambda: storage.move(key, inside),
            lambda: storage.delete(key),
            lambda: storage.clear(key),
        ):
            with pytest.raises(BadInput):
                await operation()
        assert [file.name for file in await storage.list(root)] == ["inside"]

    async def test_a_writer_that_is_overtaken_changes_nothing(self, folder, store, tmp_path):
        await store({"a": "text", "staged/b": "text"})

        async def moved():
            raise Overtaken

        fenced = replace(folder, fence=moved)
        for change in (
            lambda: fenced.put(written(tmp_path / "c"), "a"),
            lambda: fenced.put(written(tmp_path / "c"), "c"),
            lambda: fenced.put(_sparse(tmp_path / "large"), "c"),
            lambda: fenced.rename("a", "x"),
            lambda: fenced.take(folder.below("staged"), "b"),
            lambda: fenced.delete("a"),
            fenced.clear,
        ):
            with pytest.raises(Overtaken):
                await change()
        assert await folder.list() == [StoredFile("a", 4), StoredFile("staged/b", 4)]

    @pytest.mark.parametrize("size", [4, LARGE])
    async def test_nothing_is_seen_of_a_file_while_its_fence_is_asked(self, folder, tmp_path, size):
        """It is asked last: what takes long is behind it by then."""
        seen = []

        async def look():
            try:
                seen.append([file.name for file in await folder.list()])
            except FileNotStored:
                seen.append([])

        await replace(folder, fence=look).put(_sparse(tmp_path / "source", size), "a")
        assert seen == [[]]
        assert await folder.list() == [StoredFile("a", size)]

    async def test_a_put_that_is_cancelled_leaves_nothing(self, folder, tmp_path):
        async with trio.open_nursery() as nursery:

            async def cancel():
                nursery.cancel_scope.cancel()
                await trio.sleep_forever()

            fenced = replace(folder, fence=cancel)
            nursery.start_soon(fenced.put, _sparse(tmp_path / "source"), "a")
        with pytest.raises(FileNotStored):
            await folder.list()

    async def test_of_several_writers_of_a_new_file_the_first_one_wins(
        self, folder, tmp_path, read
    ):
        won = []

        async def write(number):
            with suppress(FileStored):
                await folder.put_new(written(tmp_path / f"new-{number}", str(number)), "a")
                won.append(str(number))

        async with trio.open_nursery() as nursery:
            for number in range(6):
                nursery.start_soon(write, number)
        assert won == [await read("a")]
        await write(6)
        assert won == [await read("a")]
        assert await folder.list() == [StoredFile("a", 1)]

    async def test_writers_of_one_file_leave_one_whole_file(self, folder, tmp_path, read):
        texts = [str(number) * 1000 for number in range(8)]
        async with trio.open_nursery() as nursery:
            for number, text in enumerate(texts):
                nursery.start_soon(folder.put, written(tmp_path / f"to-store-{number}", text), "a")
        assert await folder.list() == [StoredFile("a", 1000)]
        assert await read("a") in texts


def _sparse(path: Path, size: int = LARGE) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path
