"""Jobs of vodcapture on a small origin: real pictures and sound, an archive of an hour ago."""

import time
from fractions import Fraction
from itertools import pairwise

import httpx
import pytest

from taskengine.capture.moments import told
from tests.actions.jobs import WorkflowJob, workflow
from tests.capture.film import beeps, numbers, packet_times
from tests.capture.origin import LiveOrigin
from tests.media import players

WORKFLOW = workflow("vodcapture")
SECONDS = 16
BEGAN = Fraction(int(time.time()) - 3600)  # the stream is over: an archive
FRAME = Fraction(1, 25)
HLS = ("-allowed_extensions", "ALL")


def utc(seconds):
    return told(BEGAN + Fraction(str(seconds)), has_clock=True)


class CaptureJob(WorkflowJob):
    """`faults` change the answers of a host."""

    def __init__(self, tmp_path, folder, tracks):
        super().__init__(WORKFLOW, tmp_path, answer=self.answer)
        self.origin = LiveOrigin(folder, tracks, BEGAN, Fraction(10**6))
        self.target = tmp_path / "output/news/one"
        self.faults, self.asked, self.served = {}, [], []

    async def __call__(self, clips, **more):
        self.begin(clips, **more)
        return await self.run()

    def begin(self, clips, **more):
        self.prepare({"content_id": "one", "output_folder": "news/one", "clips": clips, **more})

    def answer(self, request):
        path = request.url.path
        self.asked.append((request.url.host, path))
        found = self.origin.answer(path, Fraction(time.time()))
        if (fault := self.faults.get(request.url.host)) is not None:
            found = fault(path, found)
        if found.status == 200:
            self.served.append(path)
        return httpx.Response(found.status, content=found.body)

    def playlists(self):
        """Of the delivered HLS, pictures before sound."""
        [master] = self.target.glob("one_nodrm_*.m3u8")
        found = players.renditions(master)
        return sorted(found, key=lambda one: "_a" in one.name)


def check_asset(job, expected, beep_times):
    """What a player shows of the HLS: each frame once, and the beeps with their pictures."""
    *pictures, sound = job.playlists()
    for playlist in pictures:
        assert numbers(playlist) == expected
        steps = [b - a for a, b in pairwise(packet_times(playlist))]
        assert max(steps) < FRAME * Fraction(3, 2)
    assert beeps(sound, *HLS) == pytest.approx(beep_times, abs=0.001)
