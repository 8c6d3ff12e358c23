"""What a client does: package a film, switch DRM on, capture a live stream; and whether all of it
is as promised."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import trio
from rich.console import Console

from taskengine.client import RequestRefused, RestClient, open_client
from taskengine.demo import playback, report
from taskengine.demo.engine import RunningEngine
from taskengine.demo.film import Film
from taskengine.demo.live import HEIGHT, LiveStream
from taskengine.demo.place import DemoPlace
from taskengine.demo.receiver import PATHS, Receiver
from taskengine.demo.site import Site
from taskengine.media.sample import RATE, numbers_of
from taskengine.media.tools import Bench
from taskengine.model import JsonObject, TaskEngineError
from taskengine.watching import shown_jobs

DRM: Final = ("clear", "widevine", "playready")
CAPTURED: Final = 8.0  # seconds of the live stream
CALLBACK_SECONDS: Final = 30.0
LAST_LINES: Final = 8


class DemoFailed(TaskEngineError):
    """The demonstration did not show what it should; the message says why."""


@dataclass(slots=True)
class Story:
    console: Console
    bench: Bench
    place: DemoPlace
    engine: RunningEngine
    receiver: Receiver
    asset: str  # content id, and the name of its folders
    film: Film
    live: LiveStream
    site: Site
    jobs: list[JsonObject] = field(default_factory=list)

    async def tell(self) -> None:
        """Raises DemoFailed."""
        engine = self.engine
        async with open_client(engine.url, engine.client, engine.api_key) as rest:
            await self._run(rest, "vodstream", self._vodstream())
            await self._check_clear()
            await self._run(rest, "drmswitch", self._drmswitch())
            await self._check_encrypted()
            await self._run(rest, "vodcapture", await self._vodcapture())
            await self._check_capture()
            for folder in (self.asset, self.captured):
                report.print_files(self.console, self.place.output / folder)
            report.print_heading(self.console, "Callbacks")
            for job in self.jobs:
                await self._check_callbacks(job)
            report.print_log(self.console, self.jobs[0], await rest.log(self.jobs[0]["id"]))

    async def leave(self) -> None:
        """Jobs to look at while the demonstration stays: one that runs, fails, waits."""
        later = (datetime.now(UTC) + timedelta(hours=8)).isoformat()
        no_film = {"content_id": f"{self.asset}-none", "source_folder": f"{self.asset}-none"}
        left: list[tuple[JsonObject, JsonObject]] = [
            ({"workflow": "sleep"}, {"content_id": "runs-for-an-hour", "seconds": 3600}),
            ({"workflow": "vodstream"}, {**no_film, "source_storage": "local"}),
            ({"workflow": "sleep", "run_at": later}, {"content_id": "runs-later", "seconds": 1}),
        ]
        async with open_client(self.engine.url, self.engine.client, self.engine.api_key) as rest:
            for job, parameters in left:
                await rest.submit(
                    {"client": self.engine.client, "job": job, "parameters": parameters}
                )

    @property
    def captured(self) -> str:
        """Content id of what is captured, and the name of its folder."""
        return f"{self.asset}-live"

    def _vodstream(self) -> JsonObject:
        return {
            "content_id": self.asset,
            "source_folder": self.asset,
            "source_storage": "local",
            "destination_storage": "local",
            "drm": list(DRM),
            "enable_drm": False,
            "generate_mp4": True,
            "preview_thumbnails": True,
            "rest_endpoints": self.receiver.urls,
            "custom_data": {"from": "taskengine demo"},
        }

    def _drmswitch(self) -> JsonObject:
        return {
            "content_id": self.asset,
            "folder": self.asset,
            "source_storage": "local",
            "rest_endpoints": self.receiver.urls,
        }

    async def _vodcapture(self) -> JsonObject:
        """A range that has begun and is not over, which starts and ends between keyframes."""
        start, end = await self.live.stretch(CAPTURED)
        return {
            "content_id": self.captured,
            "output_folder": self.captured,
            "destination_storage": "local",
            "clips": [
                {"source": self.site.live, "start": start.isoformat(), "end": end.isoformat()}
            ],
            "continuous_capture": True,
            "generate_mp4": True,
            "rest_endpoints": self.receiver.urls,
        }

    async def _run(self, rest: RestClient, workflow: str, parameters: JsonObject) -> None:
        """Submit a job and show it until it has ended."""
        body = {"client": self.engine.client, "job": {"workflow": workflow}}
        try:
            job_id = await rest.submit({**body, "parameters": parameters})
        except RequestRefused as refusal:
            raise DemoFailed(f"{workflow} was refused: {refusal}") from None
        report.print_heading(self.console, f"Job {job_id}: {workflow}")
        with shown_jobs(self.console) as show:
            job = await rest.watch(job_id, show)
        self.jobs.append(job)
        if job["failed"] or job["queue_state"] != "completed":
            log = report.log_lines(await rest.log(job_id))[-LAST_LINES:]
            raise DemoFailed("\n".join([f"job {job_id} ({workflow}) failed; its log ends:", *log]))

    async def _check_clear(self) -> None:
        """The active HLS and the MP4 play as long as the film lasts."""
        folder = self.place.output / self.asset
        master = playback.active_master(folder, self.asset, "nodrm")
        mp4 = folder / f"{self.asset}.mp4"
        played = await self._played(master, mp4, self.film.duration)
        report.print_played(self.console, "Played without DRM", played)
        self._expect_all(played, self.film.duration)
        self.site.films.append(("The film", [mp4]))  # its HLS needs a key soon

    async def _check_capture(self) -> None:
        """The capture plays as long as it was ordered, and has each picture of the range once."""
        folder = self.place.output / self.captured
        master = playback.active_master(folder, self.captured, "nodrm")
        mp4 = folder / f"{self.captured}.mp4"
        played = await self._played(master, mp4, CAPTURED)
        report.print_played(self.console, "Played what was captured", played)
        wanted = round(CAPTURED * RATE)
        numbers = await numbers_of(self.bench, mp4, HEIGHT)
        report.print_pictures(self.console, numbers, wanted)
        self._expect_all(played, CAPTURED)
        if not report.is_whole(numbers, wanted):
            raise DemoFailed("the capture has not each picture once")
        self.site.films.append(("The capture", [master, mp4]))

    async def _played(self, master: Path, mp4: Path, seconds: float) -> list[playback.Played]:
        played = await playback.play_hls(self.bench, master)
        decoded = await playback.decoded(self.bench, mp4)
        return [*played, playback.Played(mp4.name, decoded, seconds)]

    async def _check_encrypted(self) -> None:
        """The active HLS plays with its key, and only with it."""
        folder = self.place.output / self.asset
        master = playback.active_master(folder, self.asset, "drm")
        key = await playback.content_key(self.place.data, self.place.output, self.asset, self.asset)
        played = await playback.play_files(self.bench, master, key)
        report.print_played(self.console, "Played with DRM and the key", played)
        self._expect_all(played, self.film.duration)
        locked = await playback.play_files(self.bench, master, None)
        report.print_played(
            self.console, "Played with DRM, without the key", locked, locked_out=True
        )
        if open_ones := [track.name for track in locked if track.seconds is not None]:
            raise DemoFailed(f"plays without the key: {', '.join(open_ones)}")

    def _expect_all(self, played: list[playback.Played], seconds: float) -> None:
        if len(played) < 2:
            raise DemoFailed("nothing to play was found")
        if short := [track.name for track in played if not track.whole]:
            raise DemoFailed(f"does not play to its end: {', '.join(short)}")
        longest = max(track.promised for track in played)
        if abs(longest - seconds) > playback.SLACK:
            raise DemoFailed(f"lasts {longest:.1f} s, and not {seconds:.1f} s")

    async def _check_callbacks(self, job: JsonObject) -> None:
        """Two for each task that ran and one for the job, at each URL, the job's last."""
        ran = [task for task in job["tasks"] if task["state"] != "skipped"]
        wanted = 2 * len(ran) + 1
        with trio.move_on_after(CALLBACK_SECONDS):
            await self.receiver.until(job["id"], wanted)
        for path in PATHS:
            calls = self.receiver.of_job(job["id"], path)
            signed = sum(call.is_signed(self.engine.secret) for call in calls)
            report.print_callbacks(self.console, job, path, len(calls), wanted, signed)
            if (len(calls), signed) != (wanted, wanted):
                raise DemoFailed(f"job {job['id']}: {wanted} signed callbacks to {path} expected")
            if calls[-1].body.get("status") != "completed":
                raise DemoFailed(f"job {job['id']}: the last callback to {path} is not the job's")
