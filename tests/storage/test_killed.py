"""An archive and an asset of it on a real S3 server, by engines that get kill -9 in the middle."""

import time
from fractions import Fraction
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from taskengine.capture.moments import told
from taskengine.media.fragments import read_file_header, read_samples
from taskengine.storage import FileNotStored
from taskengine.testing.contract.storages import written
from tests.capture.live import make_stream
from tests.capture.origin import LiveOrigin, serve
from tests.support.serving import ended_job, lines_of, post_job, serving

SECONDS, START, END = 8, 2, 6
BEGAN = Fraction(int(time.time()) - 3000)  # the stream is over


@pytest.fixture
async def source(tmp_path, nursery):
    """The URL of the stream."""
    tracks = await trio.to_thread.run_sync(
        partial(make_stream, tmp_path / "live", SECONDS, renditions=("v",))
    )
    origin = LiveOrigin(tmp_path / "live", tracks, BEGAN, Fraction(10**6))
    answer = partial(serve, answer=lambda path: origin.answer(path, Fraction(time.time())))
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, answer, [listener])
    return f"http://127.0.0.1:{listener.socket.getsockname()[1]}/master.m3u8"


@pytest.fixture
async def bucket(s3_server, settings_on, tmp_path):
    """The settings of an engine on the server, and the storage as the test sees it. The bucket is
    made by the first file."""
    settings = settings_on(s3_server)
    said = {**s3_server.settings, **{name: getattr(settings, name) for name in ROOTS}}
    storage = settings.open(tmp_path)
    first = f"{settings.input_root}/first"
    await storage.put(written(tmp_path / "first"), first)
    await storage.delete(first)
    return {f"storage_s3_{name}": value for name, value in said.items()}, storage


ROOTS = ("input_root", "output_root", "workspace_root")


def utc(seconds):
    return told(BEGAN + seconds, has_clock=True)


async def test_what_was_half_stored_when_an_engine_died_becomes_whole(tmp_path, source, bucket):
    """Each of two engines dies when there is the first segment, of the archive and of the asset."""
    settings, storage = bucket
    where = {name.removeprefix("storage_s3_"): value for name, value in settings.items()}
    archive, asset = (f"{where[f'{name}_root']}/{path}" for name, path in PLACES)
    clip = {"capture_id": "chan-4", "start": utc(START), "end": utc(END)}
    given = {"content_id": "one", "output_folder": "npvr/one", "clips": [clip]}
    on_s3 = {"source_storage": "S3", "destination_storage": "S3", "overwrite_segments": True}
    start = partial(serving, tmp_path / "var", outbound_allow="127.0.0.0/8", **settings)
    async with start(name="first", dies=True) as (process, client):
        recording = await post_job(client, "archive", capture_id="chan-4", source=source,
                                   start=utc(0), destination_storage="S3")  # fmt: skip
        await first_of(storage, archive)
        process.kill()
    async with start(name="second", dies=True) as (process, client):
        await completed(client, recording)
        making = await post_job(client, "vodnpvr", **given, **on_s3)
        await first_of(storage, asset)
        process.kill()
    async with start(name="third") as (_, client):
        await completed(client, making)
        refused = await client.post("/job", json=submission(**given, destination_storage="S3"))
        assert refused.status_code == 400
        assert "overwrite_segments" in refused.json()["error"]
    stored = [file.name for file in await storage.list(archive)]
    assert sum(name.endswith(".m4s") for name in stored) == 2 * SECONDS
    files = {file.name: file.size for file in await storage.list(asset)}
    segments = sorted(name for name in files if name.endswith(".m4s"))
    assert len(segments) == 2 * (END - START)
    assert {Path(name).suffix for name in files} == {
        ".ism",
        ".m3u8",
        ".mpd",
        ".mp4",
        ".m4s",
        ".json",
    }
    assert sum(name.endswith(".ism") for name in files) == 1
    await check_pictures(storage, asset, files, tmp_path)
    with pytest.raises(FileNotStored):
        await storage.list(where["workspace_root"])


PLACES = (("input", "archive/chan-4"), ("output", "npvr/one"))


def submission(**parameters):
    return {"client": "acme", "job": {"workflow": "vodnpvr"}, "parameters": parameters}


async def completed(client: httpx.AsyncClient, job_id):
    job = await ended_job(client, job_id, 120)
    assert job["failed"] is False, await lines_of(client, job_id)


async def first_of(storage, folder):
    """Waits until a folder of the bucket has its first segment."""
    with trio.fail_after(120):
        while True:
            try:
                if any(file.name.endswith(".m4s") for file in await storage.list(folder)):
                    return
            except FileNotStored:
                await trio.sleep(0.01)


async def check_pictures(storage, asset, files, tmp_path):
    """The track of pictures has all of its samples, one after the other."""
    [init] = (name for name in files if name.endswith("_v1.mp4"))
    stem = init.removesuffix(".mp4")
    await storage.fetch(f"{asset}/{init}", tmp_path / "init.mp4")
    header = read_file_header(tmp_path / "init.mp4", b"vide")
    shown = []
    for name in sorted(name for name in files if name.startswith(f"{stem}_")):
        await storage.fetch(f"{asset}/{name}", tmp_path / "part.m4s")
        shown += sorted(read_samples(tmp_path / "part.m4s", header).shown)
    frame = header.scale // 25
    assert shown == list(range(START * header.scale, END * header.scale, frame))
