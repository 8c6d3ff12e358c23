"""The workflows voddelete and asset_delete, run from their files: what goes, what is left."""

import json

import pytest

from taskengine.media.naming import active_name, parked_name
from taskengine.model import BadInput, FenceMoved, PermanentFailure, Severity
from taskengine.storage.local import LocalStorage
from tests.actions.jobs import WorkflowJob, workflow

G1, G2 = "9529e5b3-14f0-4b3a-bb9c-97f5615a0d96", "77a3f0a2-8d1e-4b1c-9a52-1f6f0d3c2b85"
FILM = [
    active_name("film", "nodrm", G1, "ism"),
    active_name("film", "nodrm", G1, "m3u8"),
    parked_name("film", "drm", 1594039706, G1, "ism", aes=True),
    f"film_{G1}_v1.mp4",
    "film.json",
    "film_thumbnail.jpg",
    "social/leap.gif",
]
OTHER = [
    active_name("trailer", "nodrm", G2, "ism"),
    f"trailer_{G2}_a1.mp4",
    "trailer_sprite.jpg",
    "extra.mp4",
    "trailer.json",
]


class DeletingJob(WorkflowJob):
    def __init__(self, name, tmp_path):
        super().__init__(workflow(name), tmp_path)
        self.root = tmp_path / "output"
        self.root.mkdir(exist_ok=True)
        self.fill("films/film", FILM)

    def fill(self, folder, names):
        for name in names:
            path = self.root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)

    def there(self):
        return {str(one.relative_to(self.root)) for one in self.root.rglob("*") if one.is_file()}


@pytest.fixture
def vod(tmp_path):
    return DeletingJob("voddelete", tmp_path)


@pytest.fixture
def files(tmp_path):
    return DeletingJob("asset_delete", tmp_path)


async def test_an_asset_goes_with_its_folder(vod):
    vod.fill("films/film-2", FILM)
    before = vod.there()
    extras = await vod(content_id="film", folder="/films/film/")
    assert extras == {"message": "films/film"}
    assert before - vod.there() == {f"films/film/{name}" for name in FILM}
    assert not (vod.root / "films/film").exists()
    assert vod.results["delete_files"] == {"deleted": len(FILM), "left": 0}
    told = {text for _, text in vod.lines if text.startswith("Deleted /")}
    assert told == {f"Deleted {vod.root}/films/film/{name}" for name in FILM}
    assert vod.warned() == []


async def test_nothing_of_another_asset_in_the_folder_goes(vod):
    vod.fill("films/film", OTHER)
    vod.fill("films/film/old", [active_name("pilot", "drm", G2, "ism"), "v.mp4"])
    record = {"content_id": "trailer", "workflow": "vodstream", "files": [*OTHER]}
    (vod.root / "films/film/trailer.json").write_text(json.dumps(record))
    await vod(content_id="film", folder="films/film")
    left = {*OTHER, f"old/{active_name('pilot', 'drm', G2, 'ism')}", "old/v.mp4"}
    assert vod.there() == {f"films/film/{name}" for name in left}
    top = f"{vod.root}/films/film"
    assert f"{top}/extra.mp4 is left: it belongs to the asset trailer" in vod.warned()
    assert f"{top}/old/v.mp4 is left: the folder old holds the asset pilot" in vod.warned()
    assert len(vod.warned()) == vod.results["delete_files"]["left"] == len(left)


async def test_a_record_tells_of_an_asset_without_manifests(vod):
    record = {"content_id": "clip", "workflow": "vodcapture", "files": ["cut.mp4", "clip.json"]}
    for folder in ("films/film", "clips"):
        vod.fill(folder, ["cut.mp4", "clip.json", "settings.json"])
        (vod.root / folder / "clip.json").write_text(json.dumps(record))
    await vod(content_id="film", folder="films/film")
    left = {"films/film/cut.mp4", "films/film/clip.json"}
    assert {name for name in vod.there() if name.startswith("films")} == left
    with pytest.raises(PermanentFailure, match="it holds clip, not film"):
        await vod(content_id="film", folder="clips")
    await vod(content_id="clip", folder="clips")
    assert not (vod.root / "clips").exists()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"content_id": "pilot", "folder": "films/film"}, "it holds film, not pilot"),
        ({"content_id": "pilot", "folder": "films"}, r"assets in folders below it \(film\)"),
        ({"folder": "films"}, r"assets in folders below it \(film\)"),
        ({"folder": "two"}, "several assets, film, trailer"),
    ],
)
async def test_a_folder_of_other_assets_is_left_as_it_is(vod, given, reason):
    vod.fill("two", [*FILM, *OTHER])
    before = vod.there()
    with pytest.raises(PermanentFailure, match=reason):
        await vod(**given)
    assert vod.there() == before


async def test_the_folder_alone_says_which_asset_goes(vod):
    vod.fill("elsewhere", ["index.m3u8", "a/1.ts"])
    assert await vod(folder="elsewhere") == {"message": "elsewhere"}
    assert await vod(folder="films/film") == {"message": "films/film"}
    assert vod.there() == set()


async def test_a_content_id_may_look_like_a_variant(vod):
    names = [active_name("x_aes", "nodrm", G1, "ism"), parked_name("x_aes", "drm", 1, G1, "ism")]
    vod.fill("x", names)
    await vod(content_id="x_aes", folder="x")
    assert not (vod.root / "x").exists()


async def test_a_folder_that_is_not_there_is_a_warning(vod):
    assert await vod(content_id="film", folder="absent") == {"message": "absent"}
    assert any("is not there" in line for line in vod.warned())


async def test_links_go_and_what_they_lead_to_stays(vod, tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/segment.mp4").write_text("shared")
    (vod.root / "films/film/segment.mp4").symlink_to(tmp_path / "shared/segment.mp4")
    (vod.root / "films/film/all").symlink_to(tmp_path / "shared")
    await vod(content_id="film", folder="films/film")
    assert not (vod.root / "films/film").exists()
    assert (tmp_path / "shared/segment.mp4").read_text() == "shared"


async def test_a_deletion_goes_on_where_another_attempt_was_lost(vod):
    vod.prepare({"content_id": "film", "folder": "films/film"})
    await vod.task("get_filenames")
    (vod.root / "films/film" / FILM[0]).unlink()
    vod.fill("films/film", ["new.mp4"])  # of somebody who came later
    await vod.task("delete_files", attempt=2)
    first = vod.results["delete_files"]
    assert first == {"deleted": len(FILM), "left": 0}
    assert vod.there() == {"films/film/new.mp4"}
    await vod.task("delete_files", attempt=3)
    assert vod.results["delete_files"] == first


async def test_an_attempt_that_is_not_the_current_one_deletes_nothing(vod):
    before = vod.there()
    vod.prepare({"content_id": "film", "folder": "films/film"})
    await vod.task("get_filenames")
    with pytest.raises(FenceMoved):
        await vod.task("delete_files", refusal=FenceMoved())
    assert vod.there() == before


async def test_players_are_not_led_to_media_that_is_gone(vod, tmp_path):
    recorder = Recorder([tmp_path])
    vod.prepare({"content_id": "film", "folder": "films/film"})
    for name in vod.workflow.names:
        await vod.task(name, storages={"local": recorder})
    gone = [key.removeprefix(f"{vod.root}/films/film/") for key in recorder.deleted]
    assert {*gone[:3]} == {*FILM[:3]}


async def test_chosen_files_go_and_all_others_stay(files):
    files.fill("", ["loose.txt"])
    before = files.there()
    chosen = ["films/film/social/leap.gif", "/films/film/film.json", "loose.txt", "films/no.gif"]
    extras = await files(content_id="film", files=[*chosen, "loose.txt"])
    root = files.root
    gone = {"films/film/social/leap.gif", "films/film/film.json", "loose.txt"}
    assert before - files.there() == gone
    assert extras == {"message": [f"{root}/{name.lstrip('/')}" for name in chosen]}
    assert {*files.results["delete_files"]["files"]} == {f"{root}/{name}" for name in gone}
    assert files.warned() == [f"{root}/films/no.gif is not there: nothing to delete"]
    shown = [text for severity, text in files.lines if severity == Severity.INFO]
    assert f"Deleted 3 files below {root}" in shown


async def test_a_path_with_its_root_is_told(files):
    before = files.there()
    await files(content_id="film", files=[f"{files.root}/films/film/film.json"])
    assert files.there() == before
    [line] = files.warned()
    assert line.endswith("nothing to delete; paths count from the root, without it")


async def test_a_folder_is_not_a_file(files):
    before = files.there()
    await files(content_id="film", files=["films/film/social", "films/film"])
    assert files.there() == before
    assert files.results["get_filenames"]["missing"] == ["films/film/social", "films/film"]


async def test_no_files_are_no_work(files):
    before = files.there()
    assert await files(content_id="film", files=[]) == {"message": []}
    assert files.there() == before


async def test_chosen_files_that_an_earlier_attempt_deleted_count(files):
    files.prepare({"content_id": "film", "files": ["films/film/film.json"]})
    await files.task("get_filenames")
    await files.task("delete_files")
    first = files.results["delete_files"]
    await files.task("delete_files", attempt=2)
    assert files.results["delete_files"] == first
    assert len(first["files"]) == 1


@pytest.mark.parametrize("path", ["", ".", "/", "..", "../film", "a/../b", "films/.."])
def test_paths_that_lead_nowhere_or_out_are_refused(vod, files, path):
    with pytest.raises(BadInput, match="folder"):
        vod.prepare({"content_id": "film", "folder": path})
    with pytest.raises(BadInput, match="files"):
        files.prepare({"content_id": "film", "files": ["a.gif", path]})


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("voddelete", {"content_id": "film"}, "folder"),
        ("voddelete", {"content_id": "", "folder": "a"}, "content_id"),
        ("asset_delete", {"files": ["a"]}, "content_id"),
        ("asset_delete", {"content_id": "film"}, "files"),
        ("asset_delete", {"content_id": "film", "files": "a"}, "files"),
    ],
)
def test_what_is_missing_or_malformed_is_refused(name, given, reason, tmp_path):
    with pytest.raises(BadInput, match=reason):
        WorkflowJob(workflow(name), tmp_path).prepare(given)


class Recorder(LocalStorage):
    def __init__(self, roots):
        super().__init__(roots)
        self.deleted = []

    async def delete(self, key):
        self.deleted.append(key)
        await super().delete(key)


async def test_nothing_is_fetched_to_see_whether_a_file_is_there(files, monkeypatch):
    async def fetch(*_):
        raise AssertionError("a file at the root may have hundreds of gigabytes")

    files.fill("", ["film.mxf"])
    files.prepare({"content_id": "film", "files": ["film.mxf", "none.mxf"]})
    with monkeypatch.context() as patched:
        patched.setattr(LocalStorage, "fetch", fetch)
        await files.task("get_filenames")
    assert files.results["get_filenames"]["files"] == ["film.mxf"]
    assert files.results["get_filenames"]["missing"] == ["none.mxf"]
