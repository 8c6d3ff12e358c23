"""Jobs of vodremix: media files of numbered pictures, and the small origin of captures."""

import time
from fractions import Fraction
from itertools import pairwise

import httpx
import pytest

from taskengine.jobs.clips import check_clips
from tests.actions.captures import BEGAN, HLS
from tests.actions.jobs import WorkflowJob, workflow
from tests.capture.film import BEEP, beeps, drawn, ffmpeg, numbers, packet_times
from tests.capture.origin import LiveOrigin
from tests.media import players

WORKFLOW = workflow("vodremix")
SECONDS = 8  # of each file
FRAME = Fraction(1, 25)


def make_files(folder):
    """`high.mp4` and `low.mp4`, renditions with sound; `wide.mp4` of another size, rate and sound;
    `talk_de.m4a`, sound alone, and `words.vtt`."""
    for name, rate in (("high", "400k"), ("low", "150k")):
        make_film(folder / f"{name}.mp4", "25", f"'{BEEP}|{BEEP}':s=48000", "-b:v", rate)
    doubled = ("-vf", "scale=iw*2:ih*2:flags=neighbor")
    make_film(folder / "wide.mp4", "30000/1001", f"'{BEEP}':s=44100", *doubled)
    sound = ("-f", "lavfi", "-i", f"aevalsrc='{BEEP}|{BEEP}':s=48000:d={SECONDS}")
    ffmpeg(*sound, "-c:a", "aac", folder / "talk_de.m4a")
    (folder / "words.vtt").write_text("WEBVTT\n\n00:01.500 --> 00:02.000\nONE\n")
    return folder


def make_film(path, rate="25", sound=f"'{BEEP}':s=48000", *options):
    ffmpeg(
        *("-f", "lavfi", "-i", drawn(rate, SECONDS)),
        *("-f", "lavfi", "-i", f"aevalsrc={sound}:d={SECONDS}"),
        *("-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-keyint_min", "25"),
        *("-sc_threshold", "0", "-bf", "2", "-flags", "+cgop", *options),
        *("-c:a", "aac", "-movflags", "+faststart", path),
    )


class RemixJob(WorkflowJob):
    """`http://files.test/` has the files, `http://a.test/` the stream; `faults` change answers."""

    def __init__(self, tmp_path, files, stream, **more):
        super().__init__(WORKFLOW, tmp_path, answer=self.answer, **more)
        self.files, self.origin = files, LiveOrigin(*stream, BEGAN, Fraction(10**6))
        self.target = tmp_path / "output/remix/one"
        self.faults, self.asked = {}, []

    async def __call__(self, clips, **more):
        self.begin(clips, **more)
        return await self.run()

    def begin(self, clips, **more):
        self.prepare({"content_id": "one", "output_folder": "remix/one", "clips": clips, **more})

    def submit(self, clips, **more):
        """As a submission that is checked whole."""
        self.begin(clips, **more)
        check_clips(self.values, WORKFLOW.clips)

    def answer(self, request):
        host, path = request.url.host, request.url.path
        self.asked.append(path)
        if (fault := self.faults.get(path)) is not None:
            return fault(request)
        if host == "files.test":
            found = self.files / path.lstrip("/")
            return httpx.Response(200, content=found.read_bytes()) if found.is_file() else GONE
        found = self.origin.answer(path, Fraction(time.time()))
        return httpx.Response(found.status, content=found.body)

    def playlists(self):
        """Of the delivered HLS, those of pictures before those of sound."""
        masters = [one for one in self.target.glob("*.m3u8") if STREAM in one.read_text()]
        [master] = masters
        found = [one for one in players.renditions(master) if "_t" not in one.stem[-3:]]
        return sorted(found, key=lambda one: "_a" in one.name)

    def names(self):
        return sorted(path.name for path in self.target.iterdir())


STREAM = "#EXT-X-STREAM-INF"
GONE = httpx.Response(404)


def url(name):
    return f"http://files.test/{name}"


def check_result(job, expected, beep_times, renditions=1):
    """What a player shows of the HLS: each frame once, in time, and the beeps with them."""
    *pictures, sound = job.playlists()
    assert len(pictures) == renditions
    for playlist in pictures:
        assert numbers(playlist) == expected
        steps = [b - a for a, b in pairwise(packet_times(playlist))]
        assert max(steps) - min(steps) < Fraction(1, 1000)
    assert beeps(sound, *HLS) == pytest.approx(list(beep_times), abs=0.001)
