"""The workflow vodcapture on encrypted sources: opened with keys, or failed saying why."""

import re

import httpx
import pytest

from taskengine.masking import masked
from taskengine.media.cpix import write_cpix
from taskengine.media.keys import generate_keys
from taskengine.model import PermanentFailure
from taskengine.workflows.schemas import secret_names
from tests.actions.captures import WORKFLOW, CaptureJob, check_asset
from tests.actions.jobs import CLIENT
from tests.capture.film import BEEP, drawn, ffmpeg
from tests.capture.locked import AUDIO, KEYS, SEED, VIDEO, protect
from tests.media import players

SECONDS = 6
ONE = ((VIDEO, KEYS[VIDEO]), (VIDEO, KEYS[VIDEO]))  # for pictures and sound
WRONG = "0f" * 16
URL = "http://a.test/m."


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    ffmpeg(
        *("-f", "lavfi", "-i", drawn(25, SECONDS)),
        *("-f", "lavfi", "-i", f"aevalsrc='{BEEP}|{BEEP}':s=48000:d={SECONDS}"),
        *("-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "3", "-c:a", "aac", path),
    )
    return path


class Archive(CaptureJob):
    """A job whose source is a folder of files; `a.test` and `b.test` may have different ones."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path, tmp_path, ())
        self.folders = {}

    def answer(self, request):
        path = self.folders[request.url.host] / request.url.path.lstrip("/")
        self.asked.append((request.url.host, request.url.path))
        return httpx.Response(200, content=path.read_bytes())


@pytest.fixture
def job(tmp_path):
    return Archive(tmp_path)


@pytest.fixture
def locked(job, film, tmp_path):
    """Makes the source of a host."""

    def make(scheme, *more, host="a.test", **how):
        folder = job.folders[host] = tmp_path / host
        folder.mkdir()
        protect(film, folder, scheme, *more, **how)
        return folder

    return make


def clip(kind, **keys):
    return {"source": URL + kind, "start": "00:00:01.4", "end": "00:00:04.2", **keys}


def check(job):
    check_asset(job, list(range(35, 105)), [0.6, 1.6, 2.6])


@pytest.mark.parametrize(("scheme", "kind"), [("cenc", "mpd"), ("cbcs", "m3u8")])
async def test_a_key_opens_pictures_and_sound(job, locked, scheme, kind):
    locked(scheme, keys=ONE)
    key = {"key_id": VIDEO.hex(), "content_key": KEYS[VIDEO].hex()}
    extras = await job([clip(kind, **key)])
    check(job)
    assert extras["metadata"] == {"duration": pytest.approx(2.8, abs=0.001), "gaps": []}
    assert job.warned() == []
    assert not [text for _, text in job.lines if KEYS[VIDEO].hex() in text]
    assert KEYS[VIDEO].hex() not in str(job.results)


async def test_a_key_without_an_id_opens_samples_of_transport_streams(job, locked):
    locked("cbcs", keys=ONE, suffix="ts")
    await job([clip("m3u8", content_key=KEYS[VIDEO].hex())])
    check(job)


async def test_the_keys_of_a_seed_open_each_stretch_and_the_clear_one(job, locked, monkeypatch):
    """Keys change each two seconds after a clear lead; pictures and sound have keys of their own.
    The packager makes them in a way of its own, so that of the seed is stood in for."""
    locked("cenc", "--clear_lead", "2", "--crypto_period_duration", "2")
    asked = set()

    def key_of(seed, key_id):
        asked.add(key_id)
        return KEYS[key_id]

    monkeypatch.setattr("taskengine.capture.encryption.keys.content_key", key_of)
    await job([clip("mpd", seed=SEED)])
    check(job)
    assert len(asked) == 4  # two of pictures, two of sound


async def test_a_seed_opens_pictures_and_sound_with_keys_of_their_own(job, locked):
    locked("cbcs")
    await job([clip("mpd", seed=SEED)])
    check(job)


@pytest.mark.parametrize(
    ("scheme", "kind", "how"),
    [("cenc", "mpd", {}), ("cbcs", "m3u8", {}), ("cbcs", "m3u8", {"suffix": "ts"})],
)
async def test_a_wrong_key_fails_the_job_saying_so(job, locked, scheme, kind, how):
    locked(scheme, keys=ONE, **how)
    with pytest.raises(PermanentFailure, match=r"clip 0: .*the key does not open it") as failure:
        await job([clip(kind, content_key=WRONG)])
    assert WRONG not in str(failure.value)
    assert not job.target.exists()


@pytest.mark.parametrize("keys", [{}, {"key_id": VIDEO.hex(), "content_key": KEYS[VIDEO].hex()}])
async def test_a_key_that_is_missing_is_named_by_its_id(job, locked, keys):
    locked("cenc")
    missing = AUDIO if keys else re.compile(f"{AUDIO.hex()}|{VIDEO.hex()}")
    pattern = missing.hex() if keys else missing.pattern
    with pytest.raises(PermanentFailure, match=f"no key was given for the key id ({pattern})"):
        await job([clip("mpd", **keys)])


async def test_a_source_in_the_clear_stands_in_for_one_that_no_key_opens(job, locked, film):
    locked("cenc", keys=ONE)
    folder = job.folders["b.test"] = job.folders["a.test"].parent / "b.test"
    folder.mkdir()
    protect(film, folder, "cenc", "--clear_lead", "100", keys=ONE)
    both = [f"{URL}mpd", "http://b.test/m.mpd"]
    one = {**clip("mpd"), "sources": both}
    del one["source"]
    await job([one])
    check(job)


def test_keys_are_masked_where_parameters_are_shown(job):
    job.begin([clip("mpd", key_id=VIDEO.hex(), content_key=WRONG)])
    shown = masked(job.values["clips"], secret_names(WORKFLOW.parameters))
    assert WRONG not in str(shown)
    assert VIDEO.hex() not in str(shown)


async def test_the_key_of_a_key_service_locks_the_result_and_the_file_at_rest(
    job, locked, monkeypatch
):
    locked("cenc", keys=ONE)
    made = generate_keys()
    service = job.folders["keys.test"] = job.tmp_path / "keys.test"
    service.mkdir()
    (service / "one").write_text(write_cpix("one", made))
    monkeypatch.setitem(CLIENT, "cpix_url", "http://keys.test/{content_id}")
    key = {"key_id": VIDEO.hex(), "content_key": KEYS[VIDEO].hex()}
    extras = await job([clip("mpd", **key)], cpix=True, encrypt_ismv=True, drm=["widevine"])
    [at_rest] = job.target.glob("*.ismv")
    assert any(name.endswith(at_rest.name) for name in extras["files"])
    [delivered] = job.target.glob("*_v1.mp4")
    for path in (at_rest, delivered):
        assert players.decoded(path, key=made.key) == pytest.approx(2.8, abs=0.1)
        with pytest.raises(players.Undecodable):
            players.decoded(path)
    assert job.results["take_keys"] == {"key_id": made.key_id}
    assert made.key not in str(job.results)
    assert made.key not in str(job.lines)


async def test_keys_that_lock_nothing_are_told(job, locked):
    locked("cenc", "--clear_lead", "100", keys=ONE)
    await job([clip("mpd")], download_cpix=True, playready_key=WRONG)
    assert "take_keys" not in job.results
    assert [
        line for line in job.warned() if "playready_key" in line or line.startswith("cpix")
    ] == [
        "cpix: nothing is encrypted in this job, so that no key is taken",
        "encrypt_ismv: nothing is encrypted with playready_key without it",
    ]
