"""The workflow drmswitch, run from its file: names, lines, results."""

import json
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from taskengine.actions import find_actions
from taskengine.media.naming import active_name, parked_name, parse_name
from taskengine.media.probe import probe
from taskengine.media.sample import make_film
from taskengine.media.sets import SetName, build_set
from taskengine.media.tools import Bench
from taskengine.model import BadInput, FenceMoved, PermanentFailure
from taskengine.storage import FileNotStored
from taskengine.storage.local import LocalStorage
from taskengine.testing import actions as fakes
from taskengine.workflows.library import read
from taskengine.workflows.parameters import prepare
from taskengine.workflows.templates import evaluate

FILE = Path(__file__).parents[2] / "config/workflows/common/drmswitch.yaml"
ACTIONS = find_actions()
WORKFLOW = read(FILE, ACTIONS)
C = "film-001"
FOLDER = "films/film-001"
E1, G1 = 1594039706, "9529e5b3-14f0-4b3a-bb9c-97f5615a0d96"
G3 = "77a3f0a2-8d1e-4b1c-9a52-1f6f0d3c2b85"
SUBMITTED = {"content_id": C, "folder": FOLDER, "source_storage": "S3"}
LOG_SAMPLE = [
    parked_name(C, "drm", E1, G1, "ism"),
    parked_name(C, "drm", E1, G1, "ism", aes=True),
    active_name(C, "nodrm", G3, "ism"),
]
jobs = count(1)


class S3(LocalStorage):
    label = "S3"


@pytest.fixture
def asset(tmp_path):
    folder = tmp_path / "output" / FOLDER
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


class Run:
    """A job of the workflow, its tasks one after another."""

    def __init__(self, tmp_path):
        self.job_id = next(jobs)
        storages = {"S3": S3([tmp_path]), "local": LocalStorage([tmp_path])}
        started_at = fakes.NOON + timedelta(seconds=self.job_id)
        self._context = partial(
            fakes.fake_context, tmp_path, storages, job_id=self.job_id, started_at=started_at
        )
        self.journals = []
        self.scope = {}

    async def __call__(self, submitted=SUBMITTED):
        self.begin(submitted)
        for number in range(3):
            await self.task(number)
        return evaluate(WORKFLOW.callback, self.scope)

    def begin(self, submitted=SUBMITTED):
        fixed = {"client": {"storage": "local"}, "job": {}}
        values = prepare(WORKFLOW.parameters, submitted, fixed).values
        self.scope = {**values, **fixed, "tasks": {}}

    async def task(self, number, attempt=1, refusal=None):
        task = WORKFLOW.tasks[number]
        context, journal = self._context(task=task.name, number=number, attempt=attempt)
        journal.refusal = refusal
        self.journals.append(journal)
        result = await ACTIONS[task.action](context, evaluate(task.with_, self.scope))
        self.scope["tasks"][task.name] = result


def fill(folder, names):
    for name in names:
        (folder / name).write_text(name)


def content(path):
    return Path(path).read_text()


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def active(folder):
    said = (parse_name(C, name) for name in files(folder))
    return sorted(
        f"{name.tag}{'_aes' if name.aes else ''}.{name.extension}"
        for name in said
        if name and name.active
    )


async def test_the_log_is_that_of_the_contract(asset, run, tmp_path):
    fill(asset, LOG_SAMPLE)
    callback = await run()
    root, folder = tmp_path / "output", asset
    parked, parked_aes, clear = LOG_SAMPLE
    (main,) = (n for n in files(asset) if n.endswith(".ism") and "_aes" not in n)
    g2 = parse_name(C, main).guid
    (clear_parked,) = (n for n in files(asset) if n.endswith(".nodrm"))
    assert [journal.lines for journal in run.journals] == [
        [(1, f"Root key: output_root Root Folder: {root}")],
        [
            (1, "switching to DRM manifest"),
            (1, f"Activating {folder}/{parked}. New manifest: {C}_drm_{g2}.ism"),
            (1, "switching to DRM manifest"),
            (1, f"Activating {folder}/{parked_aes}. New manifest: {C}_drm_{g2}_aes.ism"),
            (1, f"De-activating {folder}/{clear}. New name: {clear_parked}"),
        ],
        [
            (1, f"Root key: output_root Root Folder: {root}"),
            (1, f"S3 folder: {folder}, Active Manifest {main}"),
        ],
    ]
    epoch = int(fakes.NOON.timestamp()) + run.job_id
    assert parse_name(C, clear_parked).epoch == epoch
    assert {g2, parse_name(C, clear_parked).guid}.isdisjoint({G1, G3})
    assert callback == {
        "message": f"{folder}/{main}",
        "files": [f"{folder}/{main}", f"{folder}/{C}_drm_{g2}_aes.ism"],
    }


async def test_the_record_tells_of_what_is_active_alone(asset, run):
    """Whoever finds it finds no clear media, and no manifest that is parked or gone."""
    fill(asset, [*LOG_SAMPLE, clear := f"{C}_{G3}_v1.mp4", "still.jpg"])
    record = asset / f"{C}.json"
    told = [*LOG_SAMPLE, clear, "still.jpg"]
    record.write_text(json.dumps({"job_id": "1", "files": told, "manifest": LOG_SAMPLE[2]}))
    extras = await run()
    said = json.loads(record.read_text())
    assert said["manifest"] == Path(extras["message"]).name
    names = [Path(file).name for file in extras["files"]]
    assert sorted(said["files"]) == sorted([*names, "still.jpg"])
    assert all(name.startswith(f"{C}_drm_") for name in names)
    assert said["job_id"] == "1"


async def test_two_switches_restore_the_contents(asset, run, tmp_path):
    fill(asset, LOG_SAMPLE)
    await run()
    assert active(asset) == ["drm.ism", "drm_aes.ism"]
    callback = await Run(tmp_path)()
    assert active(asset) == ["nodrm.ism"]
    assert content(callback["message"]) == LOG_SAMPLE[2]
    assert len(files(asset)) == 3


async def test_companions_follow_and_media_stays(asset, run):
    media = ["film-001_v.mp4", "film-001_drm_v.mp4"]
    companions = [
        parked_name(C, "drm", E1, G1, "m3u8"),
        parked_name(C, "drm", E1, G1, "m3u8", aes=True),
        parked_name(C, "drm", E1, G1, "mpd"),
        active_name(C, "nodrm", G3, "m3u8"),
        active_name(C, "nodrm", G3, "mpd"),
    ]
    fill(asset, [*LOG_SAMPLE, *media, *companions])
    callback = await run()
    drm = ["drm.ism", "drm.m3u8", "drm.mpd", "drm_aes.ism", "drm_aes.m3u8"]
    assert active(asset) == drm
    assert set(media) < set(files(asset))
    assert sorted(Path(path).name for path in callback["files"]) == [
        name for name in files(asset) if (said := parse_name(C, name)) and said.active
    ]
    assert len(run.journals[1].shown) == 5
    assert len(run.journals[1].lines) == 10


async def test_the_default_storage_is_the_clients(asset, run):
    fill(asset, LOG_SAMPLE)
    await run({"content_id": C, "folder": f"/{FOLDER}/"})
    assert run.journals[2].shown[-1].startswith(f"local folder: {asset}, Active Manifest {C}_drm_")


async def test_a_missing_set_is_made_and_switched_to(asset, run, tmp_path):
    context, _ = fakes.fake_context(tmp_path)
    await packaged(context, asset)
    published = set(files(asset))
    callback = await run({**SUBMITTED, "drm": ["cenc", "widevine", "aes"]})
    aes = ["drm_aes.ism", "drm_aes.m3u8", "drm_aes.mpd"]
    assert active(asset) == ["drm.ism", "drm.m3u8", "drm.mpd", *aes]
    main = Path(callback["message"]).name
    assert run.journals[1].shown[:2] == [
        "switching to DRM manifest",
        f"No DRM manifest found. New manifest: {main}",
    ]
    assert run.journals[2].shown[-1] == f"S3 folder: {asset}, Active Manifest {main}"
    made = set(files(asset)) - published
    assert {Path(path).name for path in callback["files"]} == {
        name for name in made if not name.endswith(".nodrm")
    }
    for name in [name for name in files(asset) if name.endswith(".nodrm")]:
        (asset / name).unlink()
    await Run(tmp_path)()
    assert active(asset) == ["nodrm.ism", "nodrm.m3u8", "nodrm.mpd"]


async def test_making_a_set_may_be_repeated(asset, run, tmp_path):
    context, _ = fakes.fake_context(tmp_path)
    await packaged(context, asset)
    await run({**SUBMITTED, "drm": ["cenc"]})
    first = files(asset), run.scope["tasks"]["rename_manifests"]
    await run.task(2, attempt=2)
    assert (files(asset), run.scope["tasks"]["rename_manifests"]) == first


async def packaged(context, folder):
    """Put an asset into a folder that has a clear set alone."""
    await make_film(context.run, context.scratch / "film.mp4", 4, height=180)
    bench = Bench(context.run, context.scratch)
    tracks = (await probe(bench, context.scratch / "film.mp4")).tracks
    made = await build_set(bench, tracks, SetName(C, "nodrm", G3), guid=context.guid)
    for file in made.files:
        (made.folder / file).rename(folder / file)


async def test_keys_of_a_document_are_not_made_up(asset, run):
    fill(asset, LOG_SAMPLE[2:])
    with pytest.raises(PermanentFailure, match="no key service"):
        await run({**SUBMITTED, "drm": ["cenc"], "cpix": True})
    assert files(asset) == LOG_SAMPLE[2:]


async def test_an_attempt_repeats_what_another_began(asset, run):
    fill(asset, LOG_SAMPLE)
    run.begin()
    await run.task(0)
    await run.task(1)
    first = run.scope["tasks"]["prepare_switch"]
    await run.task(1, attempt=2)
    assert run.scope["tasks"]["prepare_switch"] == first
    old, new = first["names"][0]
    (asset / old).rename(asset / new)
    await run.task(2)
    done = files(asset)
    await run.task(2, attempt=2)
    assert files(asset) == done
    assert active(asset) == ["drm.ism", "drm_aes.ism"]


async def test_an_attempt_that_is_not_the_current_one_renames_nothing(asset, run):
    fill(asset, LOG_SAMPLE)
    run.begin()
    await run.task(0)
    await run.task(1)
    with pytest.raises(FenceMoved):
        await run.task(2, refusal=FenceMoved())
    assert files(asset) == sorted(LOG_SAMPLE)


async def test_a_file_that_is_gone_fails_the_attempt(asset, run):
    fill(asset, LOG_SAMPLE)
    run.begin()
    await run.task(0)
    await run.task(1)
    (asset / LOG_SAMPLE[1]).unlink()
    with pytest.raises(FileNotStored):
        await run.task(2)


async def test_nothing_to_switch_fails_for_good(asset, run):
    fill(asset, LOG_SAMPLE[2:])
    with pytest.raises(PermanentFailure, match="'drm' is not given"):
        await run()


async def test_an_absent_folder_fails_for_good(run):
    with pytest.raises(PermanentFailure, match="no such folder"):
        await run()


@pytest.mark.parametrize("wrong", ["", ".", "/", "..", "a/../b", "../a", "a/.."])
def test_a_folder_that_is_none_is_refused(run, wrong):
    with pytest.raises(BadInput, match="folder"):
        run.begin({"content_id": C, "folder": wrong})


@pytest.mark.parametrize("right", ["a", "/a", "a..", "..a/b", ".a", "a/./b", "a b", "a/b/"])
def test_other_folders_are_accepted(run, right):
    run.begin({"content_id": C, "folder": right})


@pytest.mark.parametrize("wrong", ["", "a/b", "a\\b"])
def test_a_content_id_that_leads_elsewhere_is_refused(run, wrong):
    with pytest.raises(BadInput, match="content_id"):
        run.begin({"content_id": wrong, "folder": FOLDER})


def test_only_the_systems_of_the_contract_are_taken(run):
    run.begin({**SUBMITTED, "drm": ["PlayReady", "cenc", "aes", "widevine", "fairplay"]})
    assert run.scope["drm"][0] == "playready"
    with pytest.raises(BadInput, match="drm"):
        run.begin({**SUBMITTED, "drm": ["clear"]})


async def test_files_can_be_renamed_by_any_workflow(asset, tmp_path):
    fill(asset, ["a", "b"])
    rename = ACTIONS["storage.rename"]
    values = {"storage": "local", "folder": FOLDER, "names": [["a", "x"], ["b", "sub/y"]]}
    for attempt, changes in ((1, 2), (2, 0)):
        context, journal = fakes.fake_context(tmp_path, attempt=attempt)
        result = await rename(context, values)
        assert journal.lines == [(1, f"Root key: output_root Root Folder: {tmp_path / 'output'}")]
        assert journal.confirmations == changes
    assert result["files"] == [f"{asset}/x", f"{asset}/sub/y"]
    assert files(asset) == ["sub", "x"]


@pytest.mark.parametrize("names", [[["../a", "b"]], [["a", "b/../../c"]], [["a", "/"]]])
async def test_renaming_leads_into_no_other_folder(asset, tmp_path, names):
    context, _ = fakes.fake_context(tmp_path)
    values = {"storage": "local", "folder": FOLDER, "names": names}
    with pytest.raises(BadInput):
        await ACTIONS["storage.rename"](context, values)
