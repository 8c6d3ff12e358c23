"""The workflow vodstream, run from its file on real films."""

import json
import re
from functools import partial
from pathlib import Path

import pytest
import trio
from defusedxml.ElementTree import parse
from PIL import Image

from taskengine.media.ffmpeg import ffmpeg, source
from taskengine.media.keys import FileKeyStore, asset_name
from taskengine.media.naming import parse_name
from taskengine.media.probe import probe
from taskengine.media.sample import make_film
from taskengine.media.tools import Bench
from taskengine.model import BadInput, FenceMoved, PermanentFailure, Severity
from taskengine.runtime.process import run_process
from taskengine.storage import unfenced
from taskengine.storage.local import LocalStorage
from taskengine.testing.actions import NOON, fake_context
from tests.actions.jobs import Flaky, Labelled, WorkflowJob, workflow
from tests.media import players

WORKFLOW = workflow("vodstream")
C = "film 001"
SECONDS = 4
SUBMITTED = {"content_id": C, "source_folder": "in/film", "output_folder": "films/film"}
EPOCH = int(NOON.timestamp())


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    run = partial(run_process, cwd=path.parent)
    trio.run(partial(make_film, run, path, SECONDS, height=180))
    return path


@pytest.fixture
def job(tmp_path, film):
    job = Job(tmp_path)
    job.source.mkdir(parents=True)
    (job.source / "My Film, 100%.mp4").write_bytes(film.read_bytes())
    return job


class Job(WorkflowJob):
    def __init__(self, tmp_path, job_id=7):
        super().__init__(WORKFLOW, tmp_path, SUBMITTED, job_id=job_id)
        self.source = tmp_path / "input/in/film"
        self.target = tmp_path / "output/films/film"
        self.bench = Bench(partial(run_process, cwd=tmp_path), tmp_path)

    def files(self):
        return sorted(path.name for path in self.target.iterdir())

    def manifests(self):
        return {name: said for name in self.files() if (said := parse_name(C, name))}


async def test_a_film_becomes_an_asset(job):
    extras = await job()
    server, hls, dash = sorted(job.manifests())  # by extension
    assert re.fullmatch(r"film 001_nodrm_[0-9a-f-]{36}\.ism", server)
    root = str(job.target)
    assert extras["message"] == f"{root}/{server}"
    assert sorted(extras["files"]) == [f"{root}/{name}" for name in job.files()]
    assert extras["metadata"] == {"duration": SECONDS}
    playlists = players.renditions(job.target / hls)
    assert len(playlists) == 3
    for playlist in playlists:
        assert players.decoded(playlist, hls=True) == pytest.approx(SECONDS, abs=0.05)
    assert players.duration_of(job.target / dash) == pytest.approx(SECONDS, abs=0.05)
    for element in parse(job.target / server).iter():
        assert "src" not in element.keys() or (job.target / element.get("src")).is_file()  # noqa: SIM118
    with Image.open(job.target / f"{C}_thumbnail.jpg") as still:
        assert still.size == (320, 180)
    record = (job.target / f"{C}.json").read_text()
    assert "null" not in record
    assert json.loads(record)["manifest"] == server
    assert not re.search(r"_[avt]1|dref", record)  # players find media by a manifest alone
    assert job.warned() == []
    assert (Severity.INFO, f"local folder: {root}, Active Manifest {server}") in job.lines
    assert not any("+" in name for name in job.files())


async def test_everything_there_is(job, tmp_path):
    (job.source / "words_eng.SRT").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    (job.source / "notes.txt").write_text("no media")
    (job.source / "._My Film, 100%.mp4").write_bytes(b"\0\5\x16\7")
    extras = await job(
        drm=["Clear", "widevine", "fairplay", "aes"],
        encrypted="false",
        generate_mp4=True,
        mezzanine=True,
        mp4_filename="whole.mp4",
        preview_thumbnails=True,
        preview_thumbnails_interval=1,
        trickplay=True,
        delete_source=True,
    )
    manifests = job.manifests()
    assert len(manifests) == 9
    assert {said.tag for said in manifests.values() if said.active} == {"nodrm"}
    assert {said.epoch for said in manifests.values() if not said.active} == {EPOCH}
    assert len({said.guid for said in manifests.values()}) == 2
    parked = next(n for n, said in manifests.items() if not said.active and n.endswith(f"{C}.drm"))
    assert re.fullmatch(rf"{EPOCH}_[0-9a-f-]{{36}}_film 001\.drm", parked)
    assert "_nodrm_" in extras["message"]
    made = await probe(job.bench, job.target / "whole.mp4")
    assert made.duration == pytest.approx(SECONDS, abs=0.05)
    assert (job.target / f"{C}_sprite.vtt").read_text().count(f"{C}_sprite.jpg#xywh=") == SECONDS
    hls = next(n for n in manifests if n.endswith(".m3u8"))
    assert "TYPE=SUBTITLES" in (job.target / hls).read_text()
    assert "I-FRAME-STREAM" in (job.target / hls).read_text()
    assert [path.name for path in job.source.iterdir()] == ["notes.txt"]  # nobody has read it
    assert job.warned() == [
        "._My Film, 100%.mp4 is left out: hidden files are no sources",
        "notes.txt is left out: files of the kind .txt are not taken",
    ]
    assert [name for name in job.files() if name.endswith("_dref.mp4")]
    assert sum("EXT-X-IMAGE-STREAM-INF" in (job.target / n).read_text() for n in manifests) == 2
    context, _ = fake_context(tmp_path)
    asset = asset_name(context.roots("local", "output_root").below("films/film"), C)
    keys = await FileKeyStore(tmp_path / "keys").load(asset)
    secrets = (keys.key, keys.aes, keys.iv)
    said = json.dumps([job.results, [text for _, text in job.lines], extras])
    assert not any(secret in said for secret in secrets)
    for path in job.target.iterdir():
        assert keys.key.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("more", "active", "parked"),
    [
        ({"drm": []}, "nodrm", None),
        ({"drm": ["cenc"]}, "drm", None),
        ({"drm": ["cenc"], "enable_drm": False}, "nodrm", "drm"),
        ({"drm": ["cenc", "clear"], "enable_drm": True, "encrypted": False}, "drm", "nodrm"),
        ({"drm": ["cenc", "clear"], "encrypted": False}, "nodrm", "drm"),
    ],
)
async def test_which_set_is_active_and_which_is_parked(job, more, active, parked):
    extras = await job(create_thumbnail=False, **more)
    said = job.manifests().values()
    assert {name.tag for name in said if name.active} == {active}
    assert {name.tag for name in said if not name.active} == ({parked} if parked else set())
    assert f"_{active}_" in extras["message"]


async def test_a_clip_without_sound_and_an_unaligned_rendition(job):
    film = job.source / "My Film, 100%.mp4"
    slow = ["-map", "0:v", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "40k"]
    await ffmpeg(job.bench, *source(film), *slow, "-g", "35", "-s", "160x90",
                 f"file:{job.source / 'low.mp4'}")  # fmt: skip
    film.rename(job.source / "film.mov")
    await ffmpeg(job.bench, *source(job.source / "film.mov"), "-map", "0:v", "-c", "copy",
                 f"file:{film}")  # fmt: skip
    (job.source / "film.mov").unlink()
    await job(generate_mp4=True)
    assert job.warned() == ["low.mp4: keyframes at other times than in My Film, 100%.mp4, left out"]
    [playlist] = players.renditions(next(job.target.glob("*_nodrm_*.m3u8")))
    assert players.decoded(playlist, hls=True) == pytest.approx(SECONDS, abs=0.05)
    assert (await probe(job.bench, job.target / f"{C}.mp4")).duration == SECONDS


COPY = ["-map", "0:v", "-map", "0:a:0", "-c", "copy"]
H264 = ["-an", "-c:v", "libx264", "-preset", "ultrafast"]
CLIPS = {  # what comes out of phones, cutters and browsers
    "trimmed.mp4": (["-ss", "1.3"], COPY, SECONDS - 1.3),
    "quicktime.mov": ([], [*COPY, "-timecode", "01:00:00:00"], SECONDS),
    "odd.mp4": ([], [*H264, "-vf", "scale=171:91,fps=30000/1001", "-pix_fmt", "yuv444p"], SECONDS),
    "variable.mp4": ([], [*H264, "-vf", "select='mod(n,3)'", "-fps_mode", "vfr"], SECONDS),
    "fragmented.mp4": ([], [*COPY, "-movflags", "frag_keyframe+empty_moov"], SECONDS),
    "nameless.mp4": ([], [*COPY, "-metadata:s:a:0", "language=und"], SECONDS),
}


@pytest.mark.parametrize("name", CLIPS)
async def test_clips_as_they_come(job, name):
    film = job.source / "My Film, 100%.mp4"
    opening, arguments, lasts = CLIPS[name]
    target = job.source / name
    await ffmpeg(job.bench, *source(film, *opening), *arguments, f"file:{target}")
    film.unlink()
    extras = await job(generate_mp4=True, drm=["clear", "cenc"], enable_drm=False)
    almost = pytest.approx(lasts, abs=0.1)
    assert extras["metadata"]["duration"] == almost
    for playlist in players.renditions(next(job.target.glob("*_nodrm_*.m3u8"))):
        assert players.decoded(playlist, hls=True) == almost
    for mpd in [*job.target.glob("*.mpd"), *job.target.glob("*.mpd.drm")]:
        assert players.duration_of(mpd) == almost


async def test_a_source_in_other_formats_is_converted(job):
    film = job.source / "My Film, 100%.mp4"
    await ffmpeg(job.bench, *source(film), "-map", "0:v", "-c:v", "mpeg4", "-an",
                 f"file:{job.source / 'film.AVI'}")  # fmt: skip
    await ffmpeg(job.bench, *source(film), "-map", "0:a:0", "-c:a", "libmp3lame", "-metadata:s:0",
                 "language=", f"file:{job.source / 'sound_fra.mp3'}")  # fmt: skip
    film.unlink()
    await job(generate_mp4=True, preview_thumbnails=True)
    text = next(job.target.glob("*_nodrm_*.m3u8")).read_text()
    assert 'CODECS="avc1.' in text
    assert 'LANGUAGE="fr"' in text
    for playlist in players.renditions(next(job.target.glob("*_nodrm_*.m3u8"))):
        assert players.decoded(playlist, hls=True) == pytest.approx(SECONDS, abs=0.1)


async def test_encode_source_makes_a_ladder_of_one_source_file(job):
    await job(encode_source=True, extract_audio=True)
    playlists = players.renditions(next(job.target.glob("*_nodrm_*.m3u8")))
    assert len(playlists) == 3  # below its smallest rung there is one rendition of its own size
    (job.source / "second.mkv").write_bytes(b"")
    with pytest.raises(PermanentFailure, match="expected one video file, found 2"):
        await job(encode_source=True)


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "My Film.mp4 is empty"), (b"hello\n", "My Film.mp4 is no media file"),
     (None, "My Film.mp4 is damaged")],
)  # fmt: skip
async def test_a_bad_source_fails_the_job_by_name(job, film, content, why):
    (job.source / "My Film, 100%.mp4").unlink()
    whole = film.read_bytes()
    (job.source / "My Film.mp4").write_bytes(
        content if content is not None else whole[: len(whole) // 2]
    )
    with pytest.raises(PermanentFailure, match=why):
        await job()


async def test_an_empty_or_absent_source_folder_fails_at_once(job):
    job.begin()
    (job.source / "My Film, 100%.mp4").unlink()
    with pytest.raises(PermanentFailure, match="is empty"):
        await job.task("get_filenames")
    job.begin(source_folder="elsewhere")
    with pytest.raises(PermanentFailure, match="no such folder"):
        await job.task("get_filenames")


@pytest.mark.parametrize(
    "more",
    [
        {"file_properties": {"a.m4a": {"language": "eng,output=x"}}},
        {"file_properties": {"a.srt": {"language": "eng"}}},
        {"file_parameters": {"a.m4a": {"kind": "unheard"}}},
        {"source_folder": "../x"},
        {"drm": ["rot13"]},
        {"mp4_filename": "../x.mp4"},
        {"thumbnail_time": "soon"},
        {"preview_thumbnails_interval": 0},
    ],
)
def test_submissions_that_cannot_work_are_refused(job, more):
    with pytest.raises(BadInput):
        job.begin(**more)


@pytest.mark.parametrize("more", [{"drm": ["cenc"], "cpix": True}])
async def test_what_would_make_the_result_wrong_is_refused(job, more):
    with pytest.raises(PermanentFailure):
        await job(**more)


async def test_file_properties_by_either_name(job):
    properties = {"My Film, 100%.mp4": {"kind": "main-desc", "language": "nld"}}
    await job(file_parameters=properties)
    text = next(job.target.glob("*_nodrm_*.m3u8")).read_text()
    assert text.count('LANGUAGE="nl"') == 2
    assert "public.accessibility.describes-video" in text


async def test_an_attempt_whose_fence_moved_publishes_nothing(job):
    job.begin()
    for name in WORKFLOW.names[:-2]:
        await job.task(name)
    with pytest.raises(FenceMoved):
        await job.task("publish", refusal=FenceMoved())
    assert not job.target.exists()
    await job.task("publish", attempt=2)
    first = job.results["publish"], job.files()
    await job.task("publish", attempt=3)  # the answer of the second was lost
    assert (job.results["publish"], job.files()) == first


async def test_the_result_may_go_to_another_storage(job, tmp_path):
    storages = {"local": LocalStorage([tmp_path]), "S3": Labelled([tmp_path])}
    job.begin(destination_storage="S3")
    for name in WORKFLOW.names:
        await job.task(name, storages=storages)
    manifest = Path(job.results["publish"]["manifest"])
    assert manifest.name in job.files()
    assert (
        Severity.INFO,
        f"S3 folder: {job.target}, Active Manifest {manifest.name}",
    ) in job.lines
    [playlist, *_] = players.renditions(next(job.target.glob("*_nodrm_*.m3u8")))
    assert players.decoded(playlist, hls=True) == pytest.approx(SECONDS, abs=0.05)


async def test_the_mp4_takes_no_other_files_place(job):
    with pytest.raises(PermanentFailure, match="two files would be called"):
        await job(generate_mp4=True, mp4_filename=f"{C}.json")
    assert not job.target.exists()


async def test_every_attempt_gives_the_same_names(job):
    job.begin(drm=["cenc", "clear"])
    for name in WORKFLOW.names[: WORKFLOW.names.index("create_thumbnail")]:
        await job.task(name)
    first = dict(job.results)
    for name in ("package_clear", "package_drm"):
        await job.task(name, attempt=2)
        assert job.results[name]["files"] == first[name]["files"]
        assert job.results[name]["staged"] != first[name]["staged"]


async def test_a_second_job_parks_the_manifests_of_the_first(job, tmp_path):
    await job(create_thumbnail=False)
    second = Job(tmp_path, job_id=8)
    extras = await second(create_thumbnail=False)
    active = [name for name, said in second.manifests().items() if said.active]
    assert len(active) == 3
    assert Path(extras["message"]).name in active
    assert {said.epoch for said in second.manifests().values() if not said.active} == {EPOCH - 1}


async def test_fetching_is_tried_again_as_often_as_wanted(job, tmp_path, monkeypatch):
    monkeypatch.setattr("taskengine.actions.materials.LONGEST_PAUSE", 0)
    storages = {"local": Flaky([tmp_path], failures=2)}
    job.begin(retries=1)
    await job.task("get_filenames")
    with pytest.raises(OSError, match="flaky"):
        await job.task("inspect_source", storages=storages)
    storages = {"local": Flaky([tmp_path], failures=1)}
    await job.task("inspect_source", storages=storages)
    assert job.results["inspect_source"]["duration"] == SECONDS


async def test_whoever_finds_a_manifest_finds_what_it_names(job, tmp_path):
    recorder = Recorder([tmp_path])
    job.begin(drm=["fairplay", "aes", "clear"], generate_mp4=True)
    for name in WORKFLOW.names:
        await job.task(name, storages={"local": recorder})
    published = [Path(target).name for target in recorder.stored]
    assert published[-1] == Path(job.results["publish"]["manifest"]).name
    for place, name in enumerate(published):
        if name.endswith((".m3u8", ".mpd", ".ism", ".nodrm")):
            text = (job.target / name).read_text()
            named = re.findall(r'(?:^|[">])([\w.-]+\.(?:mp4|m4s|m3u8|vtt))\b', text, re.MULTILINE)
            assert named
            assert set(named) <= set(published[:place])


async def test_a_content_id_that_means_something_to_tools(job):
    odd = "50%d off: a, b=c + 'd'"
    extras = await job(content_id=odd, generate_mp4=True, preview_thumbnails=True)
    assert f"{odd}_thumbnail.jpg" in job.files()
    assert f"{odd}_sprite.jpg" in job.files()
    assert f"{odd}.mp4" in job.files()
    assert Path(extras["message"]).name.startswith(f"{odd}_nodrm_")


class Recorder(LocalStorage):
    def __init__(self, roots):
        super().__init__(roots)
        self.stored = []

    async def move(self, source, target, fence=unfenced):
        self.stored.append(target)
        await super().move(source, target, fence)

    async def put(self, source, key, fence=unfenced):
        self.stored.append(key)
        await super().put(source, key, fence)
