"""An engine's store with jobs in every state, as the pages show them, and the app on a socket."""

import json
import shutil
import subprocess
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import trio

from taskengine.actions import find_actions
from taskengine.actors.definitions import Definitions
from taskengine.actors.event_feed import EventFeed
from taskengine.actors.intake import Intake
from taskengine.actors.operator import Operator
from taskengine.actors.wiring import no_workflow
from taskengine.api.app import create_app
from taskengine.api.services import Services
from taskengine.api_keys import hash_key
from taskengine.configuration import Configuration, builtin_workflows
from taskengine.counters.memory import MemoryCounters
from taskengine.httpd.hypercorn_file import listen
from taskengine.httpd.serving import Server, url_of
from taskengine.media.tools import bundled_tools
from taskengine.messages import Submit, Wake
from taskengine.model import (
    BadInput,
    Began,
    Client,
    Delivery,
    Ended,
    JobState,
    LaneResult,
    Outcome,
    Progressed,
    Severity,
    Submission,
    Written,
)
from taskengine.pauses import Pause, PauseKind
from taskengine.runtime.mailbox import Mailbox
from taskengine.schedules import SUBMIT_JOB, Schedule
from taskengine.store import JobFilter
from taskengine.store.memory import MemoryStore
from taskengine.ui import add_pages
from taskengine.workflows.library import load
from taskengine.workflows.parameters import prepare
from taskengine.workflows.workflow import Workflow

KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"
HOOK = "https://cms.example.test/hooks/jobs?token=0123456789"
SECONDS = 2  # of the film
WIDE = 1_500  # tasks of the large job: pages of them
SKIPPED = ("package_drm", "create_mp4", "preview_thumbnails", "delete_source")


def library():
    return load([builtin_workflows()], find_actions())


@dataclass
class Stage:
    """A store on which jobs are run by hand."""

    store: MemoryStore
    services: Services
    output: Path
    instance: int = 0

    @property
    def now(self):
        return self.services.now()

    async def submit(self, workflow, client="acme", ago=0.0, definition=None, **fields):
        """A job, admitted if there is a slot; its id."""
        at = self.now - timedelta(seconds=ago)
        found = definition or library().find(client, workflow).definition
        given = {"submitted": {}, "lines": [(Severity.INFO, "api", "received")], **fields}
        scope = {"name": client, "storage": "local"}
        about = {"client": client, "workflow": workflow, "priority": 5, "created_at": ""}
        schema = found.content["parameters"]
        given["parameters"] = completed(schema, given["submitted"], {"client": scope, "job": about})
        one = Submission(
            client=client, workflow=workflow, definition=found, client_scope=scope, **given
        )
        [job_id] = await self.store.submit([one], at)
        await self.store.admit(self.instance, at)
        return job_id

    async def run(self, job_id, results=None, ago=0.0, until=None, fails="", lasts=3.0):
        """Run the tasks of a job one after another, until one; `fails` names one that does."""
        at = self.now - timedelta(seconds=ago)
        while attempts := await self._claim(at):
            [attempt] = attempts
            name = attempt.task.name
            assert attempt.job.id == job_id
            if name in SKIPPED:
                await self._record(at, Ended(attempt.fence, at, Outcome.SKIPPED))
                continue
            await self._record(
                at, Began(attempt.fence, at), Written(attempt.fence, at, f"Task {name!r} began")
            )
            at += timedelta(seconds=lasts)
            if name == until:
                fence = attempt.fence
                await self._record(at, Progressed(fence, 0.62), Written(fence, at, "62 % packaged"))
                return attempt
            if name == fails:
                await self._record(
                    at,
                    Written(attempt.fence, at, "the source ends early", Severity.WARN),
                    Ended(attempt.fence, at, Outcome.FAILED, error="moov atom not found: a.mp4"),
                )
                return attempt
            result = json.dumps((results or {}).get(name, {"done": name}))
            await self._record(at, Ended(attempt.fence, at, Outcome.COMPLETED, result=result))
        return None

    async def _claim(self, at):
        actions = find_actions()
        claim = (self.instance, "work", [*actions], 1, uuid.uuid4(), at)
        return (await self.store.claim(*claim)).attempts

    async def _record(self, at, *records):
        await self.store.record(self.instance, records, at)

    async def deliver(self, job_id, *, dead=False):
        """What the URLs of a job are told of; `dead`: in vain."""
        while True:
            lanes, _ = await self.store.claim_lanes(self.instance, 32, [], self.now)
            lanes = [lane for lane in lanes if lane.callbacks]
            if not lanes:
                return
            for lane in lanes:
                error = "ConnectError: the receiver is away" if dead else None
                count = 1 if dead else len(lane.callbacks)
                tries = [
                    Delivery(one.id, self.now, not dead, 503 if dead else 204, error)
                    for one in lane.callbacks[:count]
                ]
                await self.store.deliver(self.instance, [LaneResult(lane.fence, tries)])


def completed(schema, submitted, seen):
    """The parameters with their defaults, whether a submission would have been taken or not."""
    try:
        return prepare(schema, submitted, seen).values
    except BadInput:
        return submitted


def wide():
    """A workflow of very many tasks, none of which needs another."""
    tasks = [
        {"name": f"part_{number:04}", "action": "core.noop", "needs": []} for number in range(WIDE)
    ]
    return Workflow.from_content({"workflow": "many", "tasks": tasks}).definition


def make_film(folder):
    """A film of two seconds as HLS, with a still; what `package.publish` would name."""
    folder.mkdir(parents=True)
    source = ["-f", "lavfi", "-i", f"testsrc2=s=320x180:r=10:d={SECONDS}"]
    hls = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "10", "-hls_time", "1"]
    hls += ["-hls_playlist_type", "vod", "-hls_segment_type", "fmp4", "-hls_flags", "single_file"]
    guid = "12345678-1234-4234-8234-123456789abc"
    playlist = folder / "video.m3u8"
    _ffmpeg(*source, *hls, "-hls_fmp4_init_filename", "video.mp4", str(playlist))
    _ffmpeg(*source, "-frames:v", "1", str(folder / "film-1_thumbnail.jpg"))
    master = folder / f"film-1_nodrm_{guid}.m3u8"
    return master, playlist


def _ffmpeg(*arguments):
    command = [bundled_tools().ffmpeg, "-nostdin", "-loglevel", "error", "-y", *arguments]
    subprocess.run(command, check=True, timeout=60)


async def set_up(stage, *, large):
    """Jobs in every state."""
    for name, admin, options in (
        ("root", True, {}),
        ("acme", False, {"callback": {"secret": "a-secret-of-callbacks"}}),
        ("beta", False, {"roots": {"output_root": str(stage.output / "beta")}}),
        ("eyes", True, {"read_only": True}),
    ):
        await stage.store.put_client(Client(name, hash_key(KEY), admin, options))
    await stage.store.put_setting("", "max_jobs", "3")
    await stage.store.put_setting("acme", "max_jobs", "2")
    stage.instance = await stage.store.join("engine-a", stage.now - timedelta(hours=26))
    await stage.store.offer(stage.instance, "work", [*find_actions()])
    second = await stage.store.join("engine-b", stage.now - timedelta(minutes=9))
    await stage.store.offer(second, "windows_capture", ["vodcapture.capture"])
    if large:
        await stage.submit("many", "beta", 200, definition=wide())
        [job] = await stage.store.jobs(JobFilter(limit=1))
        await stage.store.change(job.id, {"queue_state": JobState.BROKEN}, [], stage.now)
    await _ended(stage)
    await _waiting(stage)


async def _ended(stage):
    film = {
        "content_id": "film-1",
        "source_folder": "film-1",
        "playready_key": "very-secret-key-0815",
        "destination_storage": "local",
    }
    files = [stage.output / "film-1" / one.name for one in (stage.output / "film-1").iterdir()]
    results = {
        "inspect_source": {
            "duration": SECONDS,
            "clear": True,
            "tracks": [{"type": "video", "height": 180}],
        },
        "publish": {
            "manifest": str(next(one for one in files if "nodrm" in one.name)),
            "files": sorted(map(str, files)),
        },
    }
    told = {"urls": [HOOK], "content_id": "film-1", "submitted": film}
    done = await stage.submit("vodstream", ago=3700, **told)
    await stage.run(done, results, ago=3690, lasts=7.4)
    await stage.deliver(done)
    bad = await stage.submit("vodstream", ago=900, **{**told, "content_id": "film-2"})
    await stage.run(bad, results, ago=890, fails="inspect_source")
    await stage.deliver(bad, dead=True)
    again = await stage.store.rerun(bad, [(Severity.INFO, "api", "run again")], stage.now)
    await stage.store.change(again, {"queue_state": JobState.BROKEN}, [], stage.now)
    refused = Submission("acme", "vodstraem", {}, [(Severity.ERROR, "api", "no such workflow")])
    await stage.store.submit([replace(refused, refusal="no such workflow")], stage.now)
    failed = await stage.submit("sleep", "beta", 500, content_id="nightly")
    await stage.run(failed, ago=490, fails="sleep")


async def _waiting(stage):
    film = {"content_id": "film-3", "source_folder": "film-3"}
    running = await stage.submit("vodstream", ago=75, content_id="film-3", submitted=film)
    results = {"inspect_source": {"clear": True, "duration": 90.0, "tracks": []}}
    await stage.run(running, results, ago=70, until="package_clear", lasts=9.0)
    await stage.submit("sleep", ago=40, content_id="film-4", submitted={"seconds": 600})
    queued = [
        await stage.submit("sleep", ago=30 - place, content_id=f"film-{5 + place}", priority=place)
        for place in range(1, 4)
    ]
    later = stage.now + timedelta(hours=5)
    await stage.submit("vodcapture", ago=20, content_id="late-show", run_at=later)
    await stage.submit("sleep", ago=10, depends_on=[queued[0]], content_id="after-film-6")
    paused = await stage.submit("sleep", ago=9, content_id="not-yet")
    await stage.store.change(paused, {"queue_state": JobState.PAUSED}, [], stage.now)
    nightly = {"job": {"workflow": "sleep"}, "parameters": {"seconds": 1}}
    schedule = Schedule(
        "nightly", SUBMIT_JOB, "Packages what came in.", cron="30 2 * * *", client="acme",
        body=nightly,
    )  # fmt: skip
    await stage.store.put_schedule(schedule.starting(stage.now))
    for kind, name, until in (("instance", "engine-b", later), ("workflow", "trickplay", None)):
        pause = Pause(PauseKind(kind), name, stage.now - timedelta(minutes=7), "root", until)
        await stage.store.put_pause(pause)


@asynccontextmanager
async def standing(data, *, large=False):
    """The stage, and the URL of its pages."""
    output = data / "output"
    if not output.exists():
        master, playlist = make_film(output / "film-1")
        shutil.copy(playlist, master)
    configuration = Configuration(data_dir=data, requests_per_second=0)
    store, submissions, wakes = MemoryStore(), Mailbox[Submit](100), Mailbox[Wake](1)
    feed, known = EventFeed(store, partial(wakes.address.hint, Wake())), library()
    orders = Mailbox[Wake](1)
    operator = Operator(store, no_workflow, lambda: datetime.now(UTC), feed.wake)
    services = Services(
        configuration=configuration,
        store=store,
        definitions=Definitions(store),
        counters=MemoryCounters(),
        intake=submissions.address,
        library=lambda: known,
        now=lambda: datetime.now(UTC),
        leaving=lambda: False,
        draining=lambda: False,
        changed=partial(wakes.address.hint, Wake()),
        version="0.1.0",
        operated=partial(orders.address.hint, Wake()),
        event_feed=feed,
    )
    stage = Stage(store, services, output)
    await set_up(stage, large=large)
    app = create_app(services)
    add_pages(app, services)
    listening, _ = listen("127.0.0.1:0", {})
    server = Server(app)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed.run, wakes)
        nursery.start_soon(operator.run, orders)
        nursery.start_soon(Intake(store, services.now, lambda: None).run, submissions)
        await nursery.start(server.serve, [listening])
        yield stage, url_of(listening, tls=False)
        feed.close()
        server.stop.set()
        await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    import sys

    async def _forever():
        async with standing(Path(sys.argv[1]), large=True) as (_, url):
            print(f"{url}/ui/  root {KEY}", flush=True)
            await trio.sleep_forever()

    trio.run(_forever)
