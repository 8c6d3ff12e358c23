"""A real engine on storages elsewhere: killed while it publishes, its jobs end the same."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from taskengine.demo.receiver import running_receiver
from taskengine.media.sample import make_film
from taskengine.runtime.process import run_process
from taskengine.storage import FileNotStored, Folder
from taskengine.storage.settings import secret_values
from tests.support.serving import ended_job, lines_of, post_job, serving

pytestmark = pytest.mark.xdist_group("object-stores")

FOLDER = "films/film-1"


@pytest.fixture
def opened(s3_server, azure_server, settings_on, tmp_path):
    """The settings of both servers, and what lies there, by label."""
    return {server.label: settings_on(server) for server in (s3_server, azure_server)}


@pytest.fixture
def settings(opened):
    """The variables that tell an engine of them."""
    return {
        f"storage_{label}_{name}": value
        for label, table in opened.items()
        for name, value in _told(table).items()
    }


def _told(table):
    given = {name: getattr(table, name) for name in table.model_fields_set}
    return {
        name: value.get_secret_value() if hasattr(value, "get_secret_value") else value
        for name, value in given.items()
    }


async def names(folder):
    try:
        return [file.name for file in await folder.list()]
    except FileNotStored:
        return []


@pytest.fixture
async def receiver():
    async with running_receiver() as receiver:
        yield receiver


async def delivered_files(receiver, job_id):
    """What the callback of the job names."""
    with trio.fail_after(100):
        while True:
            for call in receiver.of_job(job_id, "/first"):
                if "status" in call.body:
                    return call.body["files"]
            await trio.sleep(0.05)


async def test_an_engine_that_is_killed_while_it_publishes_leaves_the_same_result(
    tmp_path, opened, settings, receiver
):
    stores = {label: table.open(tmp_path) for label, table in opened.items()}
    source = Folder(stores["S3"], opened["S3"].input_root, "incoming/film-1")
    target = Folder(stores["azure_blob"], opened["azure_blob"].output_root, FOLDER)
    film = tmp_path / "film.mp4"
    await make_film(partial(run_process, cwd=tmp_path), film, 2, height=90)
    await source.put(film, "film.mp4")
    data = tmp_path / "var"
    async with serving(data, name="first", dies=True, **settings) as (process, client):
        refused = await client.post(
            "/job",
            json={
                "job": {"workflow": "drmswitch"},
                "parameters": {"source_storage": "tape", "content_id": "c", "folder": "c"},
            },
        )
        assert refused.status_code == 400
        assert "expected a storage that is configured here, local, S3, azure_blob" in refused.text
        packaged = await post_job(
            client,
            "vodstream",
            content_id="film-1",
            source_folder="incoming/film-1",
            output_folder=FOLDER,
            source_storage="s3",
            destination_storage="azure_blob",
            drm=["clear", "widevine", "aes"],
            enable_drm=False,
            generate_mp4=True,
            delete_source=True,
            rest_endpoints=receiver.urls,
        )
        with trio.fail_after(200):
            while not await names(target):
                await trio.sleep(0.01)
        process.kill()
    async with serving(data, name="second", **settings) as (_, client):
        job = await ended_job(client, packaged, 200)
        lines = [line["message"] for line in await lines_of(client, packaged)]
        assert (job["queue_state"], job["failed"]) == ("completed", False), lines
        switched = await post_job(
            client, "drmswitch", content_id="film-1", folder=FOLDER, source_storage="azure_blob"
        )
        job = await ended_job(client, switched, 200)
        assert (job["queue_state"], job["failed"]) == ("completed", False)
        delivered = await delivered_files(receiver, packaged)
    stored = await names(target)
    assert len(stored) == len(delivered)  # the switch gave some of them other names
    playable = [name for name in stored if name.endswith((".ism", ".m3u8", ".mpd"))]
    assert {name.split("_")[1] for name in playable if name.startswith("film-1_")} == {"drm"}
    root = f"{opened['azure_blob'].output_root}/{FOLDER}"
    assert any(line.startswith(f"azure_blob folder: {root}, Active Manifest") for line in lines)
    assert await names(source) == []
    told = "".join((tmp_path / f"{name}.log").read_text() for name in ("first", "second"))
    secrets = [one for table in opened.values() for one in secret_values(table)]
    assert len(secrets) == 2
    assert [one for one in secrets if one in told + str(lines)] == []
