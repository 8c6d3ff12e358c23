"""Jobs on streams of a small origin that are not captures: pictures, GIFs, previews."""

import time
from fractions import Fraction

import httpx
from PIL import Image, ImageSequence

from taskengine.media.sample import BITS, read_codes
from tests.actions.captures import BEGAN
from tests.actions.jobs import WorkflowJob, workflow
from tests.capture.film import ROWS
from tests.capture.origin import Answered, LiveOrigin


class StreamJob(WorkflowJob):
    """`faults` change the answers of a host."""

    def __init__(self, name, tmp_path, stream, defaults, origin=None, **context):
        super().__init__(workflow(name), tmp_path, defaults, answer=self.answer, **context)
        self.origin = origin or LiveOrigin(*stream, BEGAN, Fraction(10**6))
        self.output = tmp_path / "output"
        self.faults, self.asked = {}, []

    def answer(self, request):
        path = request.url.path
        self.asked.append(path)
        found = self.origin.answer(path, Fraction(time.time()))
        if (fault := self.faults.get(request.url.host)) is not None:
            found = fault(path, found)
        return httpx.Response(found.status, content=found.body)

    def files(self):
        return sorted(str(one.relative_to(self.output)) for one in self.output.rglob("*.*"))


def codes(path, scale=1):
    """The numbers of the pictures of an image or a GIF, from the bar codes on top; it is `scale`
    times as large as the film."""
    with Image.open(path) as image:
        frames = [one.convert("L") for one in ImageSequence.Iterator(image)]
    bar = [one.crop((0, 0, one.width, int(ROWS // 2 * scale))) for one in frames]
    return read_codes(
        b"".join(one.resize((BITS, 1), Image.Resampling.BOX).tobytes() for one in bar)
    )


def rounded(seconds):
    """A VOD without a clock whose durations are rounded so, too long or too short."""

    def answer(path, found):
        lines = [one for one in found.body.splitlines() if not one.startswith(b"#EXT-X-PROGRAM")]
        body = b"\n".join(b"#EXTINF:%.3f," % seconds if b"EXTINF" in one else one for one in lines)
        return Answered(found.status, body) if path.endswith(".m3u8") else found

    return answer
