"""The workflows on stored assets, with the asset in an object storage: keys and no folders."""

from pathlib import Path

import pytest
from obstore.store import MemoryStore

from taskengine.media.naming import parse_name
from taskengine.storage import FileNotStored, Folder
from taskengine.storage.object_stores.objects import ObjectStorage
from tests.actions.stored_assets import FOLDER, SECONDS, C, StoredJob, numbers

S3 = {"source_storage": "S3"}


class ObjectJob(StoredJob):
    """Its asset is moved into the object storage once it is packaged."""

    def __init__(self, name, tmp_path, films, objects, **defaults):
        super().__init__(name, tmp_path, films, **S3, **defaults)
        self.objects = objects

    async def store(self, *tags, **more):
        await self.package(*tags, **more)
        for name in self.files():
            await self.folder().put(self.asset / name, name)
            (self.asset / name).unlink(missing_ok=True)

    def folder(self, path=FOLDER):
        return Folder(self.objects, str(self.output), path)

    async def stored(self, path=FOLDER):
        try:
            return {file.name for file in await self.folder(path).list()}
        except FileNotStored:
            return set()

    async def run(self):
        for name in self.workflow.names:
            await self.task(name, storages={"S3": self.objects})
        return self.results


@pytest.fixture
def objects(tmp_path):
    store = MemoryStore()
    return ObjectStorage("S3", lambda retries: store, [str(tmp_path)])


@pytest.fixture
def job(tmp_path, films, objects):
    return lambda name, **more: ObjectJob(name, tmp_path, films, objects, **more)


async def test_an_mp4_of_an_asset_in_objects(job):
    made = job("createmp4")
    await made.store("drm", "nodrm")
    before = await made.stored()
    await made()
    assert await made.stored() - before == {f"{C}.mp4"}
    local = made.tmp_path / "fetched.mp4"
    await made.folder().fetch(f"{C}.mp4", local)
    assert await numbers(local) == list(range(25 * SECONDS))
    assert made.files() == set()


async def test_trickplay_takes_the_place_of_what_was_in_objects(job):
    made = job("trickplay", trickplay_thumbnail_interval=2)
    await made.store("nodrm", "drm")
    before = await made.stored()
    results = await made()
    after = await made.stored()
    assert after == {Path(name).name for name in results["publish"]["files"]}
    assert before.isdisjoint(after)
    sets = {(said.tag, said.active) for name in after if (said := parse_name(C, name))}
    assert sets == {("nodrm", True), ("drm", False)}


async def test_an_asset_in_objects_goes_and_its_neighbour_stays(job):
    made = job("voddelete", folder=FOLDER)
    await made.store("nodrm")
    other = made.tmp_path / "other"
    for path in (f"{FOLDER}-2", f"{FOLDER}2/x"):
        other.write_text("other")
        await made.folder(path).put(other, "other.mp4")
    await made()
    assert await made.stored() == set()
    assert await made.stored(f"{FOLDER}-2") == {"other.mp4"}
    assert await made.stored(f"{FOLDER}2/x") == {"other.mp4"}


async def test_chosen_objects_go(job):
    made = job("asset_delete", files=[f"{FOLDER}/a.gif", f"{FOLDER}/absent.gif", "loose.gif"])
    picture = made.tmp_path / "picture"
    for folder, name in ((FOLDER, "a.gif"), (FOLDER, "b.gif"), ("", "loose.gif")):
        picture.write_text(name)
        await made.folder(folder).put(picture, name)
    results = await made()
    assert results["get_filenames"]["missing"] == [f"{FOLDER}/absent.gif"]
    assert await made.stored() == {"b.gif"}
    assert await made.stored("") == {f"{FOLDER}/b.gif"}
