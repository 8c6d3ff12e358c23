"""The hard run: a live stream of two bad origins, captured while the capturing instance is killed
again and again and PostgreSQL is restarted."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from signal import SIGQUIT

import httpx
import trio

from taskengine.capture.moments import EPOCH, told
from taskengine.demo.receiver import Receiver, running_receiver
from taskengine.times import parse_time
from tests.capture.film import beeps, numbers
from tests.capture.live import make_stream
from tests.capture.packaged_origin import PackagedOrigin
from tests.chaos import audit
from tests.chaos.capture.origins import Host, Origins
from tests.chaos.capture.verdict import Evidence, Verdict, judge
from tests.chaos.instances import Instance
from tests.chaos.place import ADMIN, KEY, Place
from tests.chaos.ports import held_port
from tests.chaos.servers import Postgres, running_postgres
from tests.media import players

RATE = 25
FIRST = 104  # frames of the stream before the range
LEAD = 6.0  # seconds from the submission until the stream begins
AWAY_AGAIN = 3.0  # seconds until a killed instance is started again
END_SECONDS = 240.0  # after the range: what nobody has is waited for, and the result is made
CLAIMED = """
select c.process from audit.claims c join tasks t on t.id = c.task_id
where t.job_id = $1 and t.name = 'capture' order by c.attempt desc limit 1"""
CHANCES = {"error": 0.08, "cut": 0.05, "stall": 0.04}


@dataclass(frozen=True, slots=True)
class Options:
    """Times are seconds of the stream."""

    folder: Path
    seconds: int = 180  # of the range
    seed: int = 1
    window: float = 30.0
    away: tuple[tuple[float, float], tuple[float, float]] = ((40, 100), (90, 150))
    kills: Sequence[float] = (30, 75, 125)
    restart: float = 110.0  # of PostgreSQL
    renditions: Sequence[str] = ("v", "w")
    say: Callable[[str], None] = print


@dataclass(slots=True)
class Findings:
    options: Options
    verdict: Verdict
    job: dict
    kills: list[str]
    attempts: int
    fates: dict[str, int]
    warnings: list[str]
    troubles: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return self.verdict.holds and not self.job["failed"] and not self.troubles


class CapturePlace(Place):
    """Instances that capture."""

    def environment(
        self, database_url: str, redis_url: str, port: int, tree: Path
    ) -> dict[str, str]:
        known = Place.environment(self, database_url, redis_url, port, tree)
        return known | {
            "TASKENGINE_QUEUES": "work=2,windows_capture=1,callback=2",
            "TASKENGINE_REDIS_URL": "none",
        }


@dataclass(slots=True)
class World:
    options: Options
    place: Place
    postgres: Postgres
    instances: list[Instance]
    origins: Origins
    ports: dict[str, int]
    receiver: Receiver
    http: httpx.AsyncClient
    killed: list[str] = field(default_factory=list)

    @property
    def now(self) -> float:
        """Seconds of the stream."""
        return float(Fraction(time.time()) - self.origins.origin.began)

    async def until(self, at: float) -> None:
        await trio.sleep(max(0.0, at - self.now))

    async def ask(self, method: str, path: str, body: dict | None = None) -> httpx.Response:
        """Of the first instance that answers."""
        while True:
            for instance in self.instances:
                try:
                    headers = {"client": ADMIN, "api-key": KEY}
                    url = f"{instance.url}{path}"
                    answer = await self.http.request(method, url, json=body, headers=headers)
                    if answer.status_code < 500:
                        return answer
                except httpx.TransportError:
                    continue
            await trio.sleep(0.2)


async def hard_run(options: Options) -> Findings:
    """Raises what goes wrong with the run itself."""
    options.folder.mkdir()
    tracks = await trio.to_thread.run_sync(
        partial(
            make_stream,
            options.folder / "stream",
            options.seconds + 10,
            gop=50,
            renditions=options.renditions,
        )
    )
    options.say("the film is made")
    async with _world(options, tracks) as world:
        world.origins.origin.began = Fraction(int(time.time() + LEAD) + 1)
        job_id = await _submit(world)
        options.say(f"job {job_id}; the stream begins in {-world.now:.1f} s")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_kills, world, job_id)
            nursery.start_soon(_restart, world)
            job = await _ended(world, job_id)
            nursery.cancel_scope.cancel()
        options.say(f"the job is over: {job['queue_state']}, failed: {job['failed']}")
        return await _findings(world, job_id, job)


@asynccontextmanager
async def _world(options: Options, tracks) -> AsyncIterator[World]:
    place = CapturePlace(options.folder / "run", 15)
    place.settle()
    origins = _origins(options, tracks)
    async with (
        running_postgres(place.folder / "postgres") as postgres,
        running_receiver() as receiver,
        httpx.AsyncClient(timeout=10) as http,
        trio.open_nursery() as nursery,
    ):
        ports = {}
        for host in origins.hosts:
            [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
            ports[host] = listener.socket.getsockname()[1]
            handler = partial(origins.serve, host)
            nursery.start_soon(trio.serve_listeners, handler, [listener])
        await audit.install(postgres.url)
        with ExitStack() as stack:
            instances = [
                Instance(name, stack.enter_context(held_port()), place, postgres.url, "none")
                for name in ("a", "b")
            ]
            for instance in instances:
                stack.callback(instance.close)
                instance.start()
            for instance in instances:
                await instance.until_ready()
            yield World(options, place, postgres, instances, origins, ports, receiver, http)
        nursery.cancel_scope.cancel()


def _origins(options: Options, tracks) -> Origins:
    """Each loses segments of its own; some are lost by both, some by one while the other is away:
    these are the gaps that there really are."""
    dice = random.Random(options.seed)
    number = (options.seconds + FIRST // RATE) // 2  # of the last segment of pictures
    both = {(name, n) for name in options.renditions for n in (number // 4, number // 4 + 1)}
    both |= {(options.renditions[0], number // 3), ("a", options.seconds // 2)}
    hosts = {}
    for name, manifest, away in zip("ab", ("master.m3u8", "time.mpd"), options.away, strict=True):
        lost = dict.fromkeys(sorted(both), "error")
        for track in (*options.renditions, "a"):
            for n in dice.sample(range(5, number - 2), max(2, number // 12)):
                lost.setdefault((track, n), dice.choice(("error", "cut")))
        hosts[name] = Host(name, manifest, away, lost)
    window = Fraction(options.window)
    origin = PackagedOrigin(options.folder / "stream", tracks, Fraction(0), window)
    origins = Origins(origin, hosts, options.seed, CHANCES)
    origins.spare()
    return origins


def _frame_time(world: World, frame: int) -> str:
    return told(world.origins.origin.began + Fraction(frame, RATE), has_clock=True)


async def _submit(world: World) -> int:
    urls = {name: f"http://127.0.0.1:{port}" for name, port in world.ports.items()}
    clip = {
        "sources": [f"{urls[one.name]}/{one.manifest}" for one in world.origins.hosts.values()],
        "start": _frame_time(world, FIRST),
        "end": _frame_time(world, FIRST + RATE * world.options.seconds),
    }
    parameters = {
        "content_id": "hard",
        "output_folder": "hard",
        "clips": [clip],
        "continuous_capture": True,
        "rest_endpoints": world.receiver.urls[:1],
        "create_thumbnail": False,
    }
    job = {"workflow": "vodcapture", "run_at": clip["start"]}
    body = {"client": ADMIN, "job": job, "parameters": parameters}
    answer = await world.ask("POST", "/job", body)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


async def _kills(world: World, job_id: int) -> None:
    """Of whichever instance captures."""
    for at in world.options.kills:
        await world.until(at)
        [row] = await audit.query_patiently(world.postgres.url, CLAIMED, job_id)
        [one] = [each for each in world.instances if each.process == row["process"]]
        world.options.say(f"{world.now:.1f}: kill -9 of {one.process}, which captures")
        world.killed.append(one.process)
        one.kill()
        await trio.sleep(AWAY_AGAIN)
        one.start()
        await one.until_ready()


async def _restart(world: World) -> None:
    await world.until(world.options.restart)
    world.options.say(f"{world.now:.1f}: PostgreSQL restarted, immediate")
    await world.postgres.stop(SIGQUIT)
    await world.postgres.start()


async def _ended(world: World, job_id: int) -> dict:
    with trio.fail_after(LEAD + world.options.seconds + END_SECONDS):
        while True:
            job = (await world.ask("GET", f"/jobs/{job_id}")).json()
            if job["queue_state"] in ("completed", "broken"):
                return job
            await trio.sleep(0.5)


async def _findings(world: World, job_id: int, job: dict) -> Findings:
    lines = (await world.ask("GET", f"/logs/{job_id}")).json()
    warnings = [one["message"] for one in lines if one["severity"] >= 2]
    count = "select attempt from tasks where job_id = $1 and name = 'capture'"
    [row] = await audit.query_patiently(world.postgres.url, count, job_id)
    verdict = Verdict(frames_missing=RATE * world.options.seconds)
    if not job["failed"]:
        verdict = judge(await _evidence(world, job_id))
    return Findings(
        world.options,
        verdict,
        job,
        world.killed,
        row["attempt"],
        dict(world.origins.fates),
        warnings,
        [one for instance in world.instances for one in instance.troubles],
    )


async def _evidence(world: World, job_id: int) -> Evidence:
    with trio.fail_after(60):
        while not (said := _metadata(world, job_id)):
            await trio.sleep(0.1)
    origin, asked = world.origins.origin, range(FIRST, FIRST + RATE * world.options.seconds)
    tracks = {track.name: track for track in origin.tracks}
    pictures = [_frames(world, tracks[name]) for name in world.options.renditions]
    asset = world.place.folder / "data/output/hard"
    [master] = asset.glob("hard_nodrm_*.m3u8")
    *shown, sound = sorted(players.renditions(master), key=lambda one: "_a" in one.name)
    read = {path.name: await trio.to_thread.run_sync(numbers, path) for path in shown}
    heard = await trio.to_thread.run_sync(beeps, sound, "-allowed_extensions", "ALL")
    return Evidence(
        Fraction(RATE),
        asked,
        frozenset.intersection(*pictures),
        _frames(world, tracks["a"]),
        read,
        heard,
        [(_frame_at(world, one["from"]), _frame_at(world, one["to"])) for one in said["gaps"]],
        world.origins.sent,
    )


def _metadata(world: World, job_id: int) -> dict | None:
    calls = [one.body for one in world.receiver.of_job(job_id, "/first")]
    return next((body["metadata"] for body in calls if "metadata" in body), None)


def _frames(world: World, track) -> frozenset[int]:
    """Those in the segments of a track that nobody ever had."""
    found: set[int] = set()
    for number in world.origins.missing(track):
        start, end = (sum(track.durations[:n]) for n in (number - 1, number))
        found |= set(range(int(start * RATE), -int(-end * RATE // 1)))
    return frozenset(found)


def _frame_at(world: World, text: str) -> int:
    """Gaps are told to the millisecond."""
    at = Fraction((parse_time(text) - EPOCH).total_seconds()).limit_denominator(1000)
    return round((at - world.origins.origin.began) * RATE)
