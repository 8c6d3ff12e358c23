"""Workflows on storages elsewhere, task by task: sources, results, workspaces on S3 and Azure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

import pytest
import trio

from taskengine.actions.together import AT_ONCE
from taskengine.actors.failures import has_part
from taskengine.media.keys import StoredKeyStore
from taskengine.media.naming import parse_name
from taskengine.media.sample import RATE, make_film, numbers_of
from taskengine.media.tools import Bench
from taskengine.model import FenceMoved
from taskengine.runtime.process import run_process
from taskengine.storage import FileNotStored, Folder
from taskengine.testing.actions import Journal
from tests.actions.jobs import WorkflowJob, workflow
from tests.support.films import long_film

C = "film-001"
SUBMITTED = {
    "content_id": C,
    "source_folder": "in/film",
    "output_folder": "films/film",
    "source_storage": "S3",
    "drm": ["clear", "widevine", "aes"],
    "enable_drm": False,
    "generate_mp4": True,
    "preview_thumbnails": True,
    "delete_source": True,
}


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    trio.run(partial(make_film, partial(run_process, cwd=path.parent), path, 2, height=90))
    return path


@pytest.fixture(scope="session")
def longer_film(tmp_path_factory):
    return long_film(tmp_path_factory.mktemp("longer"), 6, 90)


@dataclass
class Elsewhere:
    """The storages of a test, and what lies on them."""

    storages: dict
    place: str

    def folder(self, label, root, path):
        return Folder(self.storages[label], f"{self.place}/{root}", path)

    async def everything(self, label):
        """The names of all files of this test on a storage, below each of its roots."""
        found = []
        for root in ("input", "output", "workspace"):
            try:
                files = await self.storages[label].list(f"{self.place}/{root}")
            except FileNotStored:
                continue
            found += [f"{root}/{file.name}" for file in files]
        return found


@pytest.fixture
async def elsewhere(s3_server, azure_server, settings_on, place, tmp_path, film):
    opened = [settings_on(server).open(tmp_path) for server in (s3_server, azure_server)]
    made = Elsewhere({one.label: one for one in opened}, place)
    source = made.folder("S3", "input", "in/film")
    await source.put(film, "film.mp4")
    return made


class Job(WorkflowJob):
    """A job whose tasks run on hosts of their own, each with its own disk."""

    def __init__(self, name, hosts, elsewhere, **context):
        super().__init__(workflow(name), hosts, prefix=f"{elsewhere.place}/", **context)
        self.elsewhere = elsewhere

    async def task(self, name, attempt=1, refusal=None):
        await super().task(name, attempt, refusal, self.elsewhere.storages)


async def packaged(elsewhere, tmp_path, destination, **context):
    job = Job("vodstream", tmp_path, elsewhere, **context)
    return await job(**SUBMITTED, destination_storage=destination)


async def test_a_film_on_s3_becomes_an_asset_on_azure(elsewhere, tmp_path):
    extras = await packaged(elsewhere, tmp_path, "azure_blob")
    stored = await elsewhere.everything("azure_blob")
    root = f"{elsewhere.place}/output/films/film"
    assert sorted(extras["files"]) == sorted(f"{elsewhere.place}/{name}" for name in stored)
    assert re.fullmatch(rf"{root}/{C}_nodrm_[0-9a-f-]{{36}}\.ism", extras["message"])
    assert {f"output/films/film/{C}{end}" for end in (".mp4", ".json", "_thumbnail.jpg")} < {
        *stored
    }
    assert await elsewhere.everything("S3") == []  # delete_source, and nothing else was there


async def test_what_is_published_is_the_same_as_on_folders_of_this_machine(
    elsewhere, tmp_path, film
):
    extras = await packaged(elsewhere, tmp_path / "elsewhere", "S3")
    here = WorkflowJob(workflow("vodstream"), tmp_path / "here")
    (tmp_path / "here/input/in/film").mkdir(parents=True)
    (tmp_path / "here/input/in/film/film.mp4").write_bytes(film.read_bytes())
    here.prepare({**SUBMITTED, "source_storage": "local"})
    await here.run()
    asset = tmp_path / "here/output/films/film"
    stored = await elsewhere.folder("S3", "output", "films/film").list()
    sizes = {file.name: file.size for file in stored}
    assert sorted(sizes) == sorted(path.name for path in asset.iterdir())
    # Keys are made anew for each asset, and say nothing of sizes.
    made = {path.name: path.stat().st_size for path in asset.iterdir()}
    del made[f"{C}.json"], sizes[f"{C}.json"]
    assert sizes == made
    assert len(extras["files"]) == len(sizes) + 1


async def test_an_asset_on_s3_changes_its_drm(elsewhere, tmp_path):
    await packaged(elsewhere, tmp_path, "S3")
    before = await elsewhere.everything("S3")
    job = Job("drmswitch", tmp_path, elsewhere, job_id=8)
    job.prepare({"content_id": C, "folder": "films/film", "source_storage": "S3"})
    extras = await job.run()
    after = await elsewhere.everything("S3")
    assert len(after) == len(before)
    active = [parse_name(C, name.rpartition("/")[2]) for name in after]
    assert {said.tag for said in active if said and said.active} == {"drm"}
    assert f"S3 folder: {elsewhere.place}/output/films/film" in "\n".join(
        text for _, text in job.lines
    )
    assert extras["message"].startswith(f"{elsewhere.place}/output/films/film/{C}_drm_")


@pytest.mark.parametrize("destination", ["S3", "azure_blob"])
@pytest.mark.parametrize("written", [1, 6])
async def test_a_publication_that_is_overtaken_is_completed_by_the_next_attempt(
    elsewhere, tmp_path, monkeypatch, destination, written
):
    """The first attempt writes some files, and then hears that another one may run."""

    async def begun():
        stored = await elsewhere.everything(destination)
        return [name for name in stored if name.startswith("output/")]

    async def confirm(journal):
        if journal.refusal and len(await begun()) >= written:
            raise journal.refusal

    job = Job("vodstream", tmp_path, elsewhere)
    job.prepare({**SUBMITTED, "destination_storage": destination, "delete_source": False})
    for name in job.workflow.names:
        if name != "publish":
            await job.task(name)
            continue
        monkeypatch.setattr(Journal, "confirm", confirm)
        with pytest.raises((FenceMoved, ExceptionGroup)) as stopped:
            await job.task(name, refusal=FenceMoved("another attempt of the task may run"))
        assert has_part(stopped.value, FenceMoved)
        assert written <= len(await begun()) < written + AT_ONCE
        await job.task(name, attempt=2)
    stored = [f"{elsewhere.place}/{name}" for name in await begun()]
    assert sorted(stored) == sorted(job.results["publish"]["files"])


async def test_hosts_without_a_common_disk_share_the_segments_of_a_film(
    elsewhere, tmp_path, longer_film, monkeypatch
):
    monkeypatch.setattr("taskengine.actions.encoding.PLACES", 2)
    monkeypatch.setattr("taskengine.actions.segmented.ENCODERS", trio.CapacityLimiter(2))
    await elsewhere.folder("S3", "input", "in/film").put(longer_film, "film.mp4")
    workspace = Folder(elsewhere.storages["S3"], f"{elsewhere.place}/workspace", "7")
    job = Job("vodstream", tmp_path, elsewhere, workspace=workspace)
    job.prepare({**SUBMITTED, "encode_source": True, "encoding_segment": 2})
    await job.task("get_filenames")

    async def on_own_host(name):
        job.tmp_path = tmp_path / name
        await job.task(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(on_own_host, "encode_1")
        nursery.start_soon(on_own_host, "encode_2")
    found = [job.results[name]["encoded"] for name in ("encode_1", "encode_2")]
    assert sum(found) == 3
    await on_own_host("inspect_source")
    assert "film.mp4: found 3 of 3 segments that are encoded" in [text for _, text in job.lines]
    [video] = [t for t in job.results["inspect_source"]["tracks"] if t["type"] == "video"]
    made = tmp_path / "made.mp4"
    await workspace.below(video["folder"]).fetch(video["file"], made)
    bench = Bench(partial(run_process, cwd=tmp_path), tmp_path)
    assert await numbers_of(bench, made, 90) == list(range(6 * RATE))


async def test_hosts_without_a_common_disk_share_a_job(elsewhere, tmp_path):
    """Every task on a host of its own: what they share, and the keys, are on S3."""
    workspaces = Folder(elsewhere.storages["S3"], f"{elsewhere.place}/workspace", "")
    shared = {"workspace": workspaces.below("7"), "keys": StoredKeyStore(workspaces.below("keys"))}
    job = Job("vodstream", tmp_path, elsewhere, **shared)
    job.prepare({**SUBMITTED, "destination_storage": "S3"})
    for number, name in enumerate(job.workflow.names):
        job.tmp_path = tmp_path / f"host-{number}"
        await job.task(name)
    switch = Job("drmswitch", tmp_path / "another", elsewhere, job_id=8, **shared)
    switch.prepare({"content_id": C, "folder": "films/film", "source_storage": "S3"})
    await switch.run()
    await workspaces.below("7").clear()  # as when the job has ended
    left = await elsewhere.everything("S3")
    assert [name for name in left if not name.startswith("output/films/film/")] == [
        name for name in left if re.fullmatch(r"workspace/keys/[0-9a-f]{64}\.json", name)
    ]
    assert len(left) == len(job.results["publish"]["files"]) + 1
