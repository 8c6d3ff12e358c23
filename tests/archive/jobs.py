"""Jobs of archive and vodnpvr on the stream of a small origin."""

import re
import time
from fractions import Fraction
from pathlib import Path

import httpx

from taskengine.capture.moments import told
from tests.actions.jobs import WorkflowJob, workflow
from tests.capture.origin import LiveOrigin

BEGAN = Fraction(int(time.time()) // 600 * 600 - 3608)  # half of it lies in another chapter
SOURCE = "http://a.test/master.m3u8"


def utc(seconds):
    return told(BEGAN + Fraction(str(seconds)), has_clock=True)


class ArchiveJob(WorkflowJob):
    """`faults` change answers by path."""

    def __init__(self, tmp_path, folder, tracks, began=BEGAN, window=10**6):
        super().__init__(workflow("archive"), tmp_path, answer=self.answer)
        self.origin = LiveOrigin(folder, tracks, began, Fraction(window))
        self.archive, self.asked = tmp_path / "input/archive/chan-4", []
        self.fault = lambda path, found: found

    async def __call__(self, **more):
        self.begin(**more)
        return await self.run()

    def begin(self, **more):
        self.prepare({"capture_id": "chan-4", "source": SOURCE, "start": utc(0), **more})

    def answer(self, request):
        path = request.url.path
        self.asked.append(path)
        found = self.fault(path, self.origin.answer(path, Fraction(time.time())))
        return httpx.Response(found.status, content=found.body)

    def segments(self):
        """Their places, and their numbers in the stream."""
        found = sorted(self.archive.rglob("*.m4s"))
        return [(one.parent.name, int(one.name.split("_")[2])) for one in found]


class AssetJob(WorkflowJob):
    def __init__(self, tmp_path):
        super().__init__(workflow("vodnpvr"), tmp_path)
        self.output = tmp_path / "output"

    async def __call__(self, start, end, name="one", **more):
        self.begin([{"capture_id": "chan-4", "start": start, "end": end}], name, **more)
        return await self.run()

    def begin(self, clips, name="one", job_id=7, **more):
        self.results, self.context["job_id"] = {}, job_id
        given = {"content_id": name, "output_folder": f"npvr/{name}", "clips": clips}
        self.prepare({**given, **more})

    def files(self, name="one"):
        return sorted(one.name for one in (self.output / "npvr" / name).iterdir())

    def manifest(self, extension, tag="nodrm", name="one"):
        [found] = (self.output / "npvr" / name).glob(f"{name}_{tag}_*.{extension}")
        return found


def named_files(manifest: Path):
    """What the playlists of a master name, besides themselves."""
    names = re.findall(r'URI="([^"]+)"|^([^#\s].*)$', manifest.read_text("utf-8"), re.MULTILINE)
    return [quoted or bare for quoted, bare in names]
