"""The workflow archive, run from its file on the stream of a small origin."""

import time
from dataclasses import replace
from fractions import Fraction

import httpx
import pytest
import trio

from taskengine.archive.archiver import Archiver
from taskengine.archive.segments import parse_segment
from taskengine.capture.clip import FOREVER
from taskengine.model import BadInput, PermanentFailure
from taskengine.storage import Folder
from taskengine.storage.local import LocalStorage
from tests.archive.jobs import BEGAN, SECONDS, ArchiveJob, utc
from tests.capture.origin import Answered


@pytest.fixture
def job(tmp_path, stream):
    return ArchiveJob(tmp_path, *stream)


def expected(job):
    """Each segment of each track, in the chapter in which it begins."""
    found = []
    for name, track in (("video-1", "v"), ("video-2", "w"), ("audio-1", "a")):
        [lengths] = [one.durations for one in job.origin.tracks if one.name == track]
        for number in range(len(lengths)):
            start = BEGAN + sum(lengths[:number], Fraction(0))
            chapter = time.gmtime(int((start + Fraction(1, 3)) // 600 * 600))
            found.append((time.strftime("%Y%m%dT%H%M%SZ", chapter), name, number + 1))
    return sorted(found)


async def test_each_segment_is_stored_once_in_the_chapter_in_which_it_begins(job):
    result = await job()
    assert job.segments() == expected(job)
    assert len({chapter for chapter, _, _ in job.segments()}) == 2
    assert result == {"message": str(job.archive)}
    assert job.warned() == []


async def test_the_names_of_files_are_the_index(job):
    await job()
    for path in job.archive.rglob("*.m4s"):
        said = parse_segment(f"{path.parent.name}/{path.name}")
        assert said is not None
        assert said.file == f"{path.parent.name}/{path.name}"
        assert (path.parent.parent / said.init_file).is_file()
        lasts = Fraction(said.ticks, {"v": 12800, "a": 48000}[said.track[0]])
        assert abs(lasts - Fraction(said.length, 10**6)) < Fraction(1, 10**6)


async def killed(job):
    """An attempt that has some segments, and had no time to say so."""
    is_enough = trio.Event()

    def stuck(path, found):
        if len([one for one in job.asked if one.endswith(".m4s")]) > 24:
            is_enough.set()
            raise httpx.ConnectError("gone")
        return found

    job.fault = stuck
    job.begin()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(job.task, "record")
        await is_enough.wait()
        nursery.cancel_scope.cancel()
    job.fault, job.asked = lambda path, found: found, []


def emptied(path, found):
    """The playlists of a stream that is over and offers nothing any more."""
    is_media = path.endswith(".m3u8") and "master" not in path
    body = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-ENDLIST\n"
    return replace(found, body=body) if is_media else found


async def test_an_attempt_goes_on_where_another_was_killed(job):
    """Whatever was stored is known."""
    await killed(job)
    before = {path: path.stat().st_ino for path in job.archive.rglob("*.m4s")}
    assert before
    await job.task("record", attempt=2)
    assert job.segments() == expected(job)
    after = {path: path.stat().st_ino for path in job.archive.rglob("*.m4s")}
    assert before.items() <= after.items()
    fetched = [path for path in job.asked if path.endswith(".m4s")]
    assert len(fetched) <= len(after) - len(before) + 6  # those that begin in another chapter


async def test_a_stream_that_ends_with_an_empty_playlist_ends_its_archive(job):
    """What there is of it stays."""
    await killed(job)
    before, job.fault = job.segments(), emptied
    with trio.fail_after(60):
        await job.task("record", attempt=2)
    assert job.segments() == before


async def test_a_stream_that_has_offered_nothing_is_no_archive(job):
    job.fault = emptied
    with trio.fail_after(60), pytest.raises(PermanentFailure, match="nothing of the stream"):
        await job()


async def test_a_complete_chapter_is_not_asked_for_again(job):
    await job()
    job.asked = []
    await job()
    assert not [path for path in job.asked if path.endswith(".m4s")]
    assert job.segments() == expected(job)


async def test_the_end_and_the_filter_are_honoured(job):
    wanted = 'type=="audio"||systemBitrate==200000'
    await job(end=utc("5.5"), filter=wanted)
    found = job.segments()
    assert {name for _, name, _ in found} == {"video-1", "audio-1"}
    assert [number for _, name, number in found if name == "video-1"] == [1, 2, 3, 4, 5, 6]


async def test_what_is_kept_for_long_enough_goes_and_the_rest_stays(job, tmp_path):
    await job()
    folder = Folder(LocalStorage([tmp_path]), str(tmp_path / "input"), "archive/chan-4")
    now = BEGAN + 5 + Fraction(1, 2) + 100 + 600  # older than 100 s, and the grace

    async def tell(line):
        raise AssertionError(line)

    archiver = Archiver(folder, BEGAN, FOREVER, 100, None, lambda: now, tell, tell)
    await archiver.sweep()
    kept = [one for one in expected(job) if one[2] > 5]
    assert job.segments() == kept
    archiver.now = lambda: now + 700
    await archiver.sweep()
    assert [path.name for path in job.archive.iterdir()] == ["archive.json"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("ts", "expected segments of fragmented MP4, got ts"),
        ("clock", "the stream has no clock"),
        ("away", "no source can be read"),
    ],
)
async def test_streams_that_no_archive_takes_are_told(job, change, reason, monkeypatch):
    monkeypatch.setattr("taskengine.capture.following.PATIENCE", 0.3)
    packet = Answered(200, (b"\x47" + bytes(187)) * 4)

    def fault(path, found):
        body = found.body
        if change == "away":
            return Answered(404)
        if path.endswith(".m3u8") and change == "ts":
            lines = [line for line in body.split(b"\n") if b"EXT-X-MAP" not in line]
            return Answered(200, b"\n".join(lines).replace(b".m4s", b".ts"))
        if path.endswith(".m3u8") and change == "clock":
            lines = [line for line in body.split(b"\n") if b"PROGRAM-DATE" not in line]
            return Answered(200, b"\n".join(lines))
        return packet if path.endswith(".ts") else found

    job.fault = fault
    with pytest.raises(PermanentFailure, match=reason):
        await job(end=utc(SECONDS))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"source": None}, "expected exactly one of source, sources"),
        ({"start": "00:00:10"}, "start: expected a UTC time"),
        ({"retention": 5}, "retention: expected a number of at least 60"),
        ({"capture_id": "a/b"}, "capture_id: expected a name"),
        ({"key_id": "a" * 32}, "content_key: required"),
        ({"profiles": [{"profile_id": "p"}]}, "drm: required"),
    ],
)
def test_what_an_archive_does_not_honour_is_refused(job, more, reason):
    with pytest.raises(BadInput) as refused:
        job.begin(**more)
    assert reason in str(refused.value)
