"""Remixes and assets out of archives over a whole engine that is killed in the middle of both: what
is delivered and told, and that it is the same again."""

import hashlib
import re
import time
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest
import trio

from taskengine.capture.moments import told
from taskengine.demo.receiver import running_receiver
from taskengine.storage.parts import TEMPORARY
from tests.actions.remixes import make_film
from tests.capture.film import numbers
from tests.capture.live import make_stream
from tests.capture.origin import Answered, LiveOrigin, serve
from tests.media import players
from tests.support.serving import ended_job, lines_of, post_job, serving

SECONDS = 8  # of the stream
BEGAN = Fraction(int(time.time()) - 3000)  # it is over
GUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PARKED = re.compile(rb"\b\d{10}_(?=_one)")
SHOWN = [*range(25, 75), *range(75, 125)]  # of the remix: two seconds of each of its clips
RECORDED = list(range(50, 150))  # of the asset out of the archive
ALLOWED = {"outbound_allow": "127.0.0.0/8"}


def utc(seconds):
    return told(BEGAN + seconds, has_clock=True)


class Sources:
    """A file and a stream. The MPD comes when `released`; `asked` is that it was asked for."""

    def __init__(self, folder):
        make_film(folder / "film.mp4")
        self.film = (folder / "film.mp4").read_bytes()
        tracks = make_stream(folder / "live", SECONDS, renditions=("v",))
        self.origin = LiveOrigin(folder / "live", tracks, BEGAN, Fraction(10**6))
        self.asked, self.released = trio.Event(), trio.Event()

    async def answer(self, path):
        if path == "/film.mp4":
            return Answered(200, self.film)
        if path == "/live.mpd":
            self.asked.set()
            await self.released.wait()
        return self.origin.answer(path, Fraction(time.time()))


@pytest.fixture
async def sources(tmp_path, nursery):
    (tmp_path / "sources").mkdir()
    made = await trio.to_thread.run_sync(Sources, tmp_path / "sources")
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    made.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
    nursery.start_soon(trio.serve_listeners, partial(serve, answer=made.answer), [listener])
    return made


class Jobs:
    """What clients submit to an engine, and hear of it."""

    def __init__(self, client, receiver, sources):
        self.client, self.receiver, self.sources = client, receiver, sources
        self.urls = receiver.urls[:1]

    async def archive(self):
        source = f"{self.sources.url}/master.m3u8"
        job_id = await post_job(self.client, "archive", capture_id="chan-4", source=source,
                                start=utc(0))  # fmt: skip
        job = await ended_job(self.client, job_id)
        assert job["failed"] is False, await lines_of(self.client, job_id)

    async def remix(self, folder):
        event = {"presentation_time": "00:00:00.52", "duration": "00:00:01"}
        film, stream = (f"{self.sources.url}/{name}" for name in ("film.mp4", "live.mpd"))
        clips = [
            {"source": film, "start": "00:00:01", "end": "00:00:03"},
            {"source": stream, "start": utc(3), "end": utc(5)},
        ]
        more = {"frame_accurate": True, "markers": {"meta_events": [event]}}
        return await self._post("vodremix", folder, [{**one, **more} for one in clips])

    async def asset(self, folder):
        clip = {"capture_id": "chan-4", "start": utc(2), "end": utc(6)}
        return await self._post("vodnpvr", folder, [clip], drm=["clear", "widevine"])

    async def _post(self, workflow, folder, clips, **more):
        given = {"content_id": "one", "output_folder": folder, "clips": clips, **more}
        return await post_job(self.client, workflow, rest_endpoints=self.urls, **given)

    async def again(self, job_id):
        answer = await self.client.post(f"/jobs/{job_id}/rerun")
        assert answer.status_code == 200, answer.text
        return int(answer.json()["id"])

    async def callbacks(self, job_id):
        """Of a job that completes: those of its tasks, and its own."""
        job = await ended_job(self.client, job_id, 120)
        assert job["failed"] is False, await lines_of(self.client, job_id)
        with trio.fail_after(30):
            while True:
                *tasks, end = [one.body for one in self.receiver.of_job(job_id, "/first")] or [{}]
                if "event" not in end and end:
                    return tasks, end
                await trio.sleep(0.05)


def content(folder):
    """What a folder has, whichever job made it: names, and digests of all but the record."""
    return sorted((unnamed(one.name.encode()), _digest(one)) for one in folder.iterdir())


def unnamed(text):
    """Without what is of one job: GUIDs, and when sets were parked."""
    return PARKED.sub(b"", GUID.sub(b"", text))


def _digest(path):
    """Of the record, which tells of its job, none."""
    known = b"" if path.name == "one.json" else unnamed(path.read_bytes())
    return hashlib.sha256(known).hexdigest()


async def test_what_a_killed_engine_began_is_ended_and_made_again_is_the_same(tmp_path, sources):
    """The remix has half of its sources when the engine dies, the asset the first of its links."""
    data = tmp_path / "var"
    remixes, assets = (data / "output" / name for name in ("remix", "npvr"))
    async with running_receiver() as receiver:
        async with serving(data, dies=True, **ALLOWED) as (process, client):
            jobs = Jobs(client, receiver, sources)
            await jobs.archive()
            remix = await jobs.remix("remix/one")
            await sources.asked.wait()
            asset = await jobs.asset("npvr/one")
            with trio.fail_after(60):
                while not list(assets.glob("one/*.m4s")):
                    await trio.sleep(0.005)
            process.kill()
        sources.released.set()
        async with serving(data, name="again", **ALLOWED) as (_, client):
            jobs = Jobs(client, receiver, sources)
            check_remix(remixes / "one", *await jobs.callbacks(remix))
            started = [one["message"] for one in await lines_of(client, remix)]
            assert started.count("Task 'record' started") == 2
            check_asset(assets / "one", *await jobs.callbacks(asset))
            first = content(remixes / "one"), content(assets / "one")
            twice = await jobs.remix("remix/two"), await jobs.asset("npvr/two")
            check_remix(remixes / "two", *await jobs.callbacks(twice[0]))
            check_asset(assets / "two", *await jobs.callbacks(twice[1]))
            assert (content(remixes / "two"), content(assets / "two")) == first
            again = await jobs.again(remix), await jobs.again(asset)
            check_remix(remixes / "one", *await jobs.callbacks(again[0]))
            check_asset(assets / "one", *await jobs.callbacks(again[1]))
            assert (content(remixes / "one"), content(assets / "one")) == first
            await no_rubbish(data)


def check_remix(folder, tasks, end):
    names = ["record", "cut", "package_clear", "create_mp4", "publish"]
    check_callbacks(folder, tasks, end, names, end["files"])
    assert end["metadata"] == {"duration": 4.0}
    assert end["output"] == end["files"]
    assert pictures(folder) == [SHOWN]
    assert numbers(folder / "remix.mp4") == SHOWN
    [playlist] = players.renditions(Path(end["message"]).with_suffix(".m3u8"))[:1]
    assert playlist.read_text().count("SCTE35-OUT=") == 2


def check_asset(folder, tasks, end):
    names = ["select", "package_clear", "package_drm", "share", "publish"]
    check_callbacks(folder, tasks, end, names, end["files"] + end["segments"])
    assert end["metadata"] == {"duration": 4.0, "gaps": []}
    assert len(end["segments"]) == 2 * 2 * 4
    assert pictures(folder) == [RECORDED]


def check_callbacks(folder, tasks, end, names, files):
    """Tasks told their beginning and their end, and the job all that there is in its folder."""
    told_of = {(one["task_name"], one["event"]) for one in tasks}
    assert told_of == {(name, event) for name in names for event in ("start", "complete")}
    assert (end["content_id"], end["status"]) == ("one", "completed")
    assert sorted(files) == sorted(map(str, folder.iterdir()))
    assert end["message"] in files


def pictures(folder):
    """The numbers of those of each clear rendition."""
    clear = (one for one in folder.glob("*_v[0-9].m3u8") if "EXT-X-KEY" not in one.read_text())
    return [numbers(one) for one in sorted(clear)]


async def no_rubbish(data):
    """Workspaces go soon after their jobs."""
    with trio.fail_after(60):
        while any((data / "workspace").rglob("*.*")):
            await trio.sleep(0.05)
    left = [one for name in ("scratch", "input", "output") for one in (data / name).rglob("*")]
    assert [one for one in left if one.name.startswith(TEMPORARY)] == []
    assert not any((data / "scratch").rglob("*.*"))
