"""What was fetched is kept for the next task, within limits."""

from __future__ import annotations

import os

import pytest
import trio
import trio.lowlevel

from taskengine.storage import cache as cache_module
from taskengine.storage.cache import FetchCache


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


class Source:
    """A file to fetch, and how often it was."""

    def __init__(self, size):
        self.size, self.fetched = size, 0

    async def __call__(self, target):
        self.fetched += 1
        await trio.lowlevel.checkpoint()
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(b"x" * self.size)


async def test_tasks_side_by_side_fetch_a_file_once(folder, tmp_path):
    cache, source = FetchCache(folder, 100), Source(10)
    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(cache.fetch, "a", 10, tmp_path / str(number), source)
    assert source.fetched == 1
    assert {(tmp_path / str(number)).read_bytes() for number in range(4)} == {b"x" * 10}


async def test_what_was_not_read_for_longest_makes_room(folder, tmp_path):
    cache, sources = FetchCache(folder, 25), {name: Source(10) for name in "abc"}
    for age, name in enumerate("ab"):
        await cache.fetch(name, 10, tmp_path / name, sources[name])
        os.utime(folder / name, (age, age))
    await cache.fetch("a", 10, tmp_path / "again", sources["a"])  # read just now
    await cache.fetch("c", 10, tmp_path / "c", sources["c"])
    assert sorted(os.listdir(folder)) == ["a", "c"]
    assert (tmp_path / "b").read_bytes() == b"x" * 10  # whole for who has it
    assert [source.fetched for source in sources.values()] == [1, 1, 1]


async def test_what_is_larger_than_the_cache_goes_past_it(folder, tmp_path):
    await FetchCache(folder, 5).fetch("a", 10, tmp_path / "a", Source(10))
    assert (tmp_path / "a").read_bytes() == b"x" * 10
    assert not folder.exists()


async def test_what_a_kill_left_of_a_download_is_removed(folder, tmp_path, monkeypatch):
    folder.mkdir()
    for name in ("old.part", "new.part"):
        (folder / name).touch()
    os.utime(folder / "old.part", (1, 1))
    await FetchCache(folder, 100).fetch("a", 10, tmp_path / "a", Source(10))
    assert sorted(os.listdir(folder)) == ["a", "new.part"]


async def test_a_cache_on_another_file_system_than_scratch_is_no_failure(
    folder, tmp_path, monkeypatch
):
    def refuse(source, target):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(cache_module.os, "link", refuse)
    await FetchCache(folder, 100).fetch("a", 10, tmp_path / "a", Source(10))
    assert (tmp_path / "a").read_bytes() == b"x" * 10
