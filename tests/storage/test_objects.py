"""What object storages do besides their contract: conditional writes, limits, errors in words."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import obstore
import pytest
import trio
from obstore.exceptions import GenericError, PermissionDeniedError

from taskengine.model import FenceMoved
from taskengine.storage import (
    Folder,
    StorageFailed,
    StorageRefused,
)
from taskengine.storage.cache import FetchCache
from taskengine.storage.object_stores import objects, transfers
from taskengine.storage.object_stores.transfers import attributes_of, in_words
from taskengine.testing.contract.storages import LARGE, written
from tests.support.object_stores import free_ports


@pytest.fixture(params=["s3_server", "azure_server"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
async def storage(server, settings_on, tmp_path):
    return settings_on(server).open(tmp_path)


@pytest.fixture
def folder(storage, place):
    return Folder(storage, f"{place}/output", "films/c1")


@pytest.mark.parametrize("there", [True, False])
async def test_an_outdated_writer_never_replaces_what_a_newer_one_wrote(folder, tmp_path, there):
    """It is stopped after its fence was asked, and while it stood still the next attempt wrote."""
    if there:
        await folder.put(written(tmp_path / "a", "before"), "a")
    asked = []

    async def confirm():
        if asked:
            raise FenceMoved("another attempt of the task may run")
        asked.append(None)
        await folder.put(written(tmp_path / "newer", "newer"), "a")

    with pytest.raises(FenceMoved):
        await replace(folder, fence=confirm).put(written(tmp_path / "older", "older"), "a")
    await folder.fetch("a", tmp_path / "read")
    assert (tmp_path / "read").read_text() == "newer"


async def test_a_store_without_conditional_writes_is_written_all_the_same(
    s3_server, settings_on, place, tmp_path
):
    opened = settings_on(s3_server, conditional_writes=False).open(tmp_path)
    folder = Folder(opened, f"{place}/output", "films/c1")
    for text in ("old", "new"):
        await folder.put(written(tmp_path / "a", text), "a")
    await folder.fetch("a", tmp_path / "read")
    assert (tmp_path / "read").read_text() == "new"


async def test_what_is_too_large_for_the_store_to_copy_is_moved_through_this_host(
    s3_server, settings_on, place, tmp_path, monkeypatch
):
    from taskengine.storage import s3

    monkeypatch.setattr(s3, "LARGEST_COPY", 1 << 20)
    folder = Folder(settings_on(s3_server).open(tmp_path), f"{place}/output", "films/c1")
    content = bytes(range(256)) * (LARGE // 256)
    (tmp_path / "large").write_bytes(content)
    await folder.put(tmp_path / "large", "a.mp4")
    await folder.rename("a.mp4", "b.mp4")
    assert [(file.name, file.size) for file in await folder.list()] == [("b.mp4", LARGE)]
    await folder.fetch("b.mp4", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content


async def test_players_are_told_what_kind_a_file_is(server, storage, folder, place, tmp_path):
    for name in ("a.m3u8", "a.mpd", "a.mp4"):
        await folder.put(written(tmp_path / "a"), name)
    await folder.rename("a.m3u8", "b.m3u8")
    for name, kind in (
        ("b.m3u8", "application/vnd.apple.mpegurl"),
        ("a.mpd", "application/dash+xml"),
        ("a.mp4", "video/mp4"),
    ):
        key = f"{place}/output/films/c1/{name}"
        [told] = await trio.to_thread.run_sync(
            lambda key=key: obstore.get(storage._read, key).attributes.values()
        )
        assert told == kind


def test_kinds_of_files_are_known_by_their_suffix():
    assert attributes_of("x/a.VTT") == {"Content-Type": "text/vtt"}
    assert attributes_of("x/a") == {"Content-Type": "application/octet-stream"}


async def test_a_file_that_the_disk_has_no_room_for_is_not_fetched(folder, tmp_path, monkeypatch):
    await folder.put(written(tmp_path / "a"), "a")
    monkeypatch.setattr(transfers, "RESERVE", 1 << 60)
    with pytest.raises(StorageFailed, match=r"a has 0.0 GB, and \d+\.\d GB are free for it here"):
        await folder.fetch("a", tmp_path / "fetched")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("fetched")] == []


async def test_a_large_file_is_downloaded_once_to_a_host_until_it_is_replaced(
    server, settings_on, place, tmp_path, monkeypatch
):
    opened = settings_on(server).open(tmp_path, FetchCache(tmp_path / "cache", 1 << 30))
    folder = Folder(opened, f"{place}/output", "films/c1")
    downloads = []
    download = objects.download

    async def counted(*arguments):
        downloads.append(None)
        await download(*arguments)

    monkeypatch.setattr(objects, "download", counted)
    for number, fill in enumerate(b"ab", 1):
        (tmp_path / "large").write_bytes(bytes([fill]) * (9 << 20))
        await folder.put(tmp_path / "large", "a.mp4")
        for name in ("first", "second"):
            await folder.fetch("a.mp4", tmp_path / name)
            assert (tmp_path / name).read_bytes() == (tmp_path / "large").read_bytes()
        assert len(downloads) == number


async def test_wrong_keys_are_told_without_them(s3_server, settings_on, place, tmp_path):
    server = replace(
        s3_server, settings={**s3_server.settings, "secret_access_key": "wr0ng-s3cret"}
    )
    settings = settings_on(server)
    assert "wr0ng" not in repr(settings)
    folder = Folder(settings.open(tmp_path), f"{place}/output", "films/c1")
    with pytest.raises(StorageRefused, match=r"^S3: access to .* is denied") as refused:
        await folder.put(written(tmp_path / "a"), "a")
    assert "wr0ng" not in str(refused.value)
    assert "http" not in str(refused.value)


async def test_a_container_that_does_not_exist_is_told(azure_server, settings_on, place, tmp_path):
    server = replace(azure_server, settings={**azure_server.settings, "container": "nothing"})
    folder = Folder(settings_on(server).open(tmp_path), f"{place}/output", "films/c1")
    told = r"azure_blob: its bucket or container does not exist \(ContainerNotFound\)"
    with pytest.raises(StorageRefused, match=told):
        await folder.fetch("a", tmp_path / "fetched")


async def test_a_server_that_is_away_is_tried_again(
    s3_server, settings_on, place, tmp_path, monkeypatch
):
    [port] = free_ports(1)  # nobody listens there
    away = {**s3_server.settings, "endpoint": f"http://127.0.0.1:{port}"}
    monkeypatch.setattr(objects, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(objects, "WRITING", {"max_retries": 0})
    monkeypatch.setattr(objects, "READING", {"max_retries": 0})
    storage = settings_on(replace(s3_server, settings=away)).open(tmp_path)
    tries = []
    connect = storage._ask

    async def ask(*arguments, **more):
        tries.append(None)
        return await connect(*arguments, **more)

    monkeypatch.setattr(storage, "_ask", ask)
    with pytest.raises(StorageFailed, match="the server cannot be reached"):
        await storage.put(written(tmp_path / "a"), f"{place}/output/a")
    assert len(tries) == 3


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            GenericError(
                "Generic S3 error: Error performing PUT https://b.example/a?X-Amz-Signature=s3cr3t "
                "in 1s, after 5 retries - Server returned error response: status code: 503 Service "
                "Unavailable: <Error><Code>SlowDown</Code></Error>\n\nDebug source: s3cr3t"
            ),
            "S3: films/a: 503 Service Unavailable, SlowDown",
        ),
        (GenericError("HTTP error: error sending request"), "S3: films/a: the server cannot be "
                                                            "reached"),
        (PermissionDeniedError("403 sig=s3cr3t"), "S3: access to films/a is denied"),
        (FileNotFoundError("…<Code>NoSuchKey</Code>"), "films/a: no such file"),
        (FileNotFoundError("…<Code>NoSuchBucket</Code>"), "S3: its bucket or container does not "
                                                          "exist (NoSuchBucket)"),
        (ValueError("Could not parse path"), "S3: 'films/a' cannot be the key of an object"),
    ],
)  # fmt: skip
def test_errors_are_told_without_urls_and_signatures(error, told):
    assert str(in_words("S3", "films/a", error)) == told


MEMORY = """
import resource, sys, trio
from pathlib import Path
from taskengine.storage_tables import STORAGES
label, size, place, folder, *given = sys.argv[1:]
async def main():
    storage = STORAGES[label](output_root=place, **dict(one.split("=", 1) for one in given))
    storage = storage.open(Path(folder))
    await storage.put(Path(folder, "small"), f"{place}/small")
    await storage.fetch(f"{place}/small", Path(folder, "small-back"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await storage.put(Path(folder, "large"), f"{place}/large")
    await storage.fetch(f"{place}/large", Path(folder, "large-back"))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
trio.run(main)
"""


def test_memory_does_not_grow_with_a_file(server, place, tmp_path):
    """Of a film of 256 MB a few parts are in memory at once."""
    for name, size in (("small", 1), ("large", 256 << 20)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    given = [f"{name}={value}" for name, value in server.settings.items()]
    command = [sys.executable, "-c", MEMORY, server.label, str(256 << 20), place, str(tmp_path)]
    done = subprocess.run([*command, *given], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100_000  # kB
    assert (tmp_path / "large-back").stat().st_size == 256 << 20


async def test_nothing_waits_for_a_server_that_hangs(s3_server, settings_on, place, tmp_path):
    """Whoever is cancelled goes at once, whatever the server does."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    silent = {**s3_server.settings, "endpoint": f"http://127.0.0.1:{port}"}
    storage = settings_on(replace(s3_server, settings=silent)).open(tmp_path)
    began = time.monotonic()
    with trio.move_on_after(0.2):
        await storage.fetch(f"{place}/output/a", tmp_path / "a")
    assert time.monotonic() - began < 5
    for listener in listeners:
        await listener.aclose()
