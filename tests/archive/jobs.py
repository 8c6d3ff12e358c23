"""Jobs of archive and vodnpvr on the stream of a small origin."""

import re
import time
from fractions import Fraction
from pathlib import Path

import httpx

from taskengine.capture.moments import told
from taskengine.media.fragments import read_file_header, read_samples
from tests.actions.jobs import WorkflowJob, workflow
from tests.capture.film import make_segments
from tests.capture.origin import LiveOrigin, LiveTrack

BEGAN = Fraction(int(time.time()) // 600 * 600 - 3608)  # half of it lies in another chapter
SECONDS = 16
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
        """Chapter, track, and number in the stream."""
        found = sorted(self.archive.rglob("*.m4s"))
        return sorted(
            (one.parts[-3], one.parts[-2], int(one.name.split("_")[2]))
            for one in found
            if one.parts[-4] == "chan-4"
        )


class AssetJob(WorkflowJob):
    def __init__(self, tmp_path):
        super().__init__(workflow("vodnpvr"), tmp_path)
        self.output = tmp_path / "output"

    async def __call__(self, start, end, name="one", **more):
        return await self.clips(
            [{"capture_id": "chan-4", "start": start, "end": end}], name, **more
        )

    async def clips(self, clips, name="one", **more):
        self.begin(clips, name, **more)
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
    """What the playlists of a master name, besides themselves and keys."""
    names = re.findall(r'URI="([^"]+)"|^([^#\s].*)$', manifest.read_text("utf-8"), re.MULTILINE)
    found = [quoted or bare for quoted, bare in names]
    return [name for name in found if not name.startswith("keys/")]


HOUR, LENGTH = 3600, 20  # seconds of a stream of tiny segments, and of each of these


def make_hour(folder):
    """An hour of one segment again and again, at other times; the tracks for an origin."""
    flags = ("-movflags", "frag_keyframe+empty_moov+delay_moov+default_base_moof")
    color = ("-f", "lavfi", "-i", f"color=s=64x48:r=5:d={3 * LENGTH}", "-pix_fmt", "yuv420p")
    coder = ("-c:v", "libx264", "-g", 5 * LENGTH, "-x264-params", "scenecut=0:bframes=0")
    make_segments(folder / "v", *color, *coder, *flags)
    hum = ("-f", "lavfi", "-i", f"sine=50:d={3 * LENGTH}:r=8000", "-c:a", "aac", "-b:a", "8k")
    make_segments(folder / "a", *hum, "-frag_duration", LENGTH * 1_000_000, *flags)
    number = HOUR // LENGTH
    seconds = {name: repeated(folder / name, number, kind) for name, kind in KINDS.items()}
    pictures, sound = ((seconds[name],) * number for name in "va")
    return (
        LiveTrack("v", "video", "avc1.42c00a", 20_000, pictures, 64, 48),
        LiveTrack("a", "audio", "mp4a.40.2", 8_000, sound, language="en"),
    )


KINDS = {"v": b"vide", "a": b"soun"}


def repeated(folder, number, kind):
    """The second segment of a folder as often as wanted, one after the other; what each lasts."""
    header, data = read_file_header(folder / "init.mp4", kind), (folder / "1.m4s").read_bytes()
    ticks = sum(read_samples(folder / "1.m4s", header).lengths)
    place = data.index(b"tfdt") + 8
    for path in folder.glob("*.m4s"):
        path.unlink()
    for n in range(number):
        time = (n * ticks + header.early).to_bytes(8, "big")
        (folder / f"{n + 1}.m4s").write_bytes(data[:place] + time + data[place + 8 :])
    return Fraction(ticks, header.scale)
