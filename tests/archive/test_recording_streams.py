"""The workflow archive, run from its file on the stream of a small origin."""

import time
from fractions import Fraction

import httpx
import pytest

from taskengine.capture.moments import told
from tests.actions.jobs import WorkflowJob, workflow
from tests.capture.origin import LiveOrigin

BEGAN = Fraction(int(time.time()) // 600 * 600 - 3608)  # half of it lies in another chapter


class ArchiveJob(WorkflowJob):
    def __init__(self, tmp_path, folder, tracks):
        super().__init__(workflow("archive"), tmp_path, answer=self.answer)
        self.origin = LiveOrigin(folder, tracks, BEGAN, Fraction(10**6))
        self.archive, self.asked = tmp_path / "input/archive/chan-4", []

    def answer(self, request):
        self.asked.append(request.url.path)
        found = self.origin.answer(request.url.path, Fraction(time.time()))
        return httpx.Response(found.status, content=found.body)

    def segments(self):
        return sorted(self.archive.rglob("*.m4s"))


@pytest.fixture
def archive(tmp_path, stream):
    return ArchiveJob(tmp_path, *stream)


async def test_each_segment_is_stored_once_in_the_chapter_in_which_it_begins(archive):
    archive.prepare({
        "capture_id": "chan-4",
        "source": "http://a.test/master.m3u8",
        "start": told(BEGAN, has_clock=True),
    })
    result = await archive.run()
    for one in archive.segments(): print(one)
    print(archive.lines)
    print(archive.warned())
    assert 0
