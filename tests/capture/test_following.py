"""A clip is recorded from origins that roll, fail and lie, by real time in small segments."""

import struct
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import httpx
import pytest
import trio

from taskengine.capture import demand, following, racing
from taskengine.capture.clip import Clip, Range, named
from taskengine.capture.encryption.proof import Proof
from taskengine.capture.fetching import Fetcher
from taskengine.capture.following import Following
from taskengine.capture.model import Fetched, Resource, Segment, SourceTrack, Window
from taskengine.capture.moments import told
from taskengine.capture.recording import Recording
from taskengine.capture.streams import MISSED_SECONDS, OTHERS_SECONDS
from taskengine.capture.web import Web
from taskengine.media.tools import Bench
from taskengine.model import PermanentFailure
from taskengine.storage import Folder
from taskengine.storage.local import LocalStorage
from taskengine.testing.contract.storages import written
from tests.capture.origin import Answered, LiveOrigin, LiveTrack

LENGTH = Fraction(1, 2)  # seconds of a segment
NUMBER = 40


def box(kind, content):
    return struct.pack(">I4s", 8 + len(content), kind) + content


async def _run(command, *, on_line=None):
    raise AssertionError(f"nothing here is encrypted: {command}")


no_proof = Proof(Bench(_run, Path("/")))


@pytest.fixture
def media(tmp_path):
    """Segments that say which they are."""
    for name in ("v", "a"):
        folder = tmp_path / "origin" / name
        folder.mkdir(parents=True)
        (folder / "init.mp4").write_bytes(box(b"moov", name.encode()))
        for number in range(1, NUMBER + 1):
            said = f"{name}{number}".encode()
            (folder / f"{number}.m4s").write_bytes(box(b"moof", said) + box(b"mdat", said * 50))
    return tmp_path / "origin"


TRACKS = (
    LiveTrack("v", "video", "avc1.4d401e", 800_000, (LENGTH,) * NUMBER, 640, 360),
    LiveTrack("a", "audio", "mp4a.40.2", 96_000, (LENGTH,) * NUMBER, language="en"),
)


@dataclass
class Origins:
    """Some of one stream; `faults` by host and path answer in their place."""

    media: Path
    window: float = 4.0
    began: Fraction = field(default_factory=lambda: Fraction(time.time()))
    faults: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    lines: list = field(default_factory=list)

    def answer(self, request):
        path, now = request.url.path, Fraction(time.time())
        self.asked.append((request.url.host, path))
        origin = LiveOrigin(self.media, TRACKS, self.began, Fraction(self.window))
        found = origin.answer(path, now)
        if (fault := self.faults.get(request.url.host)) is not None:
            found = fault(path, found, float(now - self.began))
        if found is None:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(found.status, content=found.body)

    def utc(self, seconds):
        return told(self.began + Fraction(seconds), has_clock=True)

    def segments(self):
        return [path for _, path in self.asked if path.endswith(".m4s")]


@asynccontextmanager
async def follower(origins, tmp_path, clip, attempt="1"):
    scratch = tmp_path / f"scratch-{attempt}"
    scratch.mkdir()

    async def tell(text):
        origins.lines.append(text)

    folder = Folder(LocalStorage([tmp_path]), str(tmp_path / "workspace"), "clip-0")
    async with httpx.AsyncClient(transport=httpx.MockTransport(origins.answer)) as http:
        recording = Recording(folder, scratch, attempt)
        one = Following(
            Clip.read(0, clip),
            Web(http),
            recording,
            scratch,
            lambda: Fraction(time.time()),
            tell,
            tell,
            no_proof,
        )
        yield one


async def numbers(one, track):
    """Which segments the recording has, read from their contents."""
    found = []
    for fetched in one.recording.of(track):
        path = one.scratch / "read"
        await one.recording.folder.fetch(fetched.file, path)
        head = path.read_bytes()
        found.append(int(head[9 : struct.unpack(">I", head[:4])[0]]))
    return found


@pytest.mark.parametrize("manifest", ["master.m3u8", "live.mpd"])
async def test_a_range_that_is_still_to_come_is_recorded_as_it_comes(media, tmp_path, manifest):
    origins = Origins(media)
    clip = {"source": f"http://a.test/{manifest}", "start": origins.utc(1), "end": origins.utc(3)}
    async with follower(origins, tmp_path, clip) as one:
        with trio.fail_after(20):
            found = await one.run()
        assert sorted(found.tracks) == ["audio-1", "video-1"]
        assert await numbers(one, "video-1") == [2, 3, 4, 5, 6, 7]  # [0.75, 3.25)
        assert len(origins.segments()) == len(set(origins.segments()))
        assert not list(one.demands["video-1"].gaps())


async def test_what_one_origin_lacks_is_taken_from_the_other(media, tmp_path):
    def bad(path, found, _):
        if path.endswith(("/3.m4s", "/6.m4s")):
            return Answered(404)
        if path.endswith("/4.m4s"):
            return Answered(200, found.body[:-7])
        return Answered(503) if path.endswith("/5.m4s") else found

    origins = Origins(media, faults={"a.test": bad})
    clip = {
        "sources": ["http://a.test/master.m3u8", "http://b.test/live.mpd"],
        "start": origins.utc(0.5),
        "end": origins.utc(3.5),
    }
    async with follower(origins, tmp_path, clip) as one:
        with trio.fail_after(20):
            await one.run()
        assert await numbers(one, "video-1") == [1, 2, 3, 4, 5, 6, 7, 8]
        sources = {
            fetched.segment.number: fetched.source for fetched in one.recording.of("audio-1")
        }
        assert [sources.get(n) for n in range(2, 8)].count(1) >= 4


async def test_an_origin_that_is_away_for_a_while_is_asked_again(media, tmp_path):
    def away(path, found, seconds):
        return None if 0.7 < seconds < 2.5 else found

    origins = Origins(media, faults={"a.test": away})
    clip = {"source": "http://a.test/live.mpd", "start": origins.utc(0.5), "end": origins.utc(3)}
    async with follower(origins, tmp_path, clip) as one:
        with trio.fail_after(20):
            await one.run()
        assert await numbers(one, "video-1") == [1, 2, 3, 4, 5, 6, 7]
        assert any("answers again" in line for line in origins.lines)


async def test_what_nobody_has_is_given_up_and_told(media, tmp_path, monkeypatch):
    monkeypatch.setattr(demand, "PATIENCE", 1.0)
    monkeypatch.setattr(following, "PATIENCE", 1.0)
    origins = Origins(
        media, faults={"a.test": lambda path, found, _: Answered(404) if "v/4." in path else found}
    )
    clip = {"source": "http://a.test/master.m3u8", "start": origins.utc(1), "end": origins.utc(3)}
    async with follower(origins, tmp_path, clip) as one:
        with trio.fail_after(20):
            await one.run()
        [(start, end)] = one.demands["video-1"].gaps()
        assert (start - origins.began, end - start) == (pytest.approx(1.5, abs=1e-3), LENGTH)
        assert not list(one.demands["audio-1"].gaps())
        assert any("video-1" in line and "given up" in line for line in origins.lines)


@pytest.mark.parametrize("listed", [True, False])
async def test_an_attempt_that_was_killed_is_gone_on_with(media, tmp_path, monkeypatch, listed):
    """Also from what it had stored and not yet listed."""
    monkeypatch.setattr("taskengine.capture.recording.PAGE", 2 if listed else 10**6)
    monkeypatch.setattr("taskengine.capture.recording.PAGE_SECONDS", 0 if listed else 10**6)
    origins, workspace = Origins(media, window=20), tmp_path / "workspace"
    clip = {"source": "http://a.test/live.mpd", "start": origins.utc(0.5), "end": origins.utc(4)}
    async with follower(origins, tmp_path, clip) as one, trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        while not list(workspace.rglob("index-*" if listed else "*-3.mp4")):
            await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    async with follower(origins, tmp_path, clip, attempt="2") as one:
        await one.recording.load()
        assert bool(one.recording.fetched) == listed
        with trio.fail_after(20):
            await one.run()
        assert await numbers(one, "video-1") == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    again = len(origins.segments()) - len(set(origins.segments()))
    assert again <= following.FETCHERS  # that were in flight


async def test_another_source_is_asked_while_one_is_slow(media, tmp_path, monkeypatch):
    monkeypatch.setattr(racing, "HURRY", 0.2)
    origins = Origins(media, window=20)
    clip = {
        "sources": ["http://a.test/live.mpd", "http://b.test/live.mpd"],
        "start": origins.utc(0.5),
        "end": origins.utc(2),
    }
    async with follower(origins, tmp_path, clip) as one:
        take = one.fetcher.take

        async def slow(track, source, segment):
            if source == 0:
                await trio.sleep(60)
            await take(track, source, segment)

        monkeypatch.setattr(Fetcher, "take", lambda self, *given: slow(*given))
        with trio.fail_after(20):
            await one.run()
        assert {fetched.source for fetched in one.recording.of("video-1")} == {1}
        assert await numbers(one, "video-1") == [1, 2, 3, 4, 5]


async def test_a_range_that_no_window_reaches_any_more_is_a_gap(media, tmp_path, monkeypatch):
    monkeypatch.setattr(demand, "PATIENCE", 0.5)
    monkeypatch.setattr(following, "PATIENCE", 0.5)
    origins = Origins(media, window=2.0, began=Fraction(time.time()) - 6)
    clip = {"source": "http://a.test/live.mpd", "start": origins.utc(1), "end": origins.utc(6)}
    async with follower(origins, tmp_path, clip) as one:
        with trio.fail_after(20):
            await one.run()
        (start, end), *_ = one.demands["video-1"].gaps()
        assert start - origins.began < 1
        assert end - origins.began > 3


@pytest.mark.parametrize(
    ("clip", "reason"),
    [
        ({"source": "http://a.test/nothing"}, "status 404"),
        ({"source": "ftp://a.test/x"}, "neither http nor https"),
        ({"source": "http://a.test/v/init.mp4"}, "neither an HLS playlist"),
        ({"source": "http://a.test/live.mpd", "filter": "systemBitrate==7"}, "nothing through"),
    ],
)
async def test_a_clip_that_cannot_be_had_says_why(media, tmp_path, monkeypatch, clip, reason):
    monkeypatch.setattr(following, "PATIENCE", 0.3)
    origins = Origins(media, window=20)
    async with follower(origins, tmp_path, clip) as one:
        with pytest.raises((PermanentFailure, ExceptionGroup)) as refused, trio.fail_after(20):
            await one.run()
    told_by = refused.value
    while isinstance(told_by, ExceptionGroup):
        [told_by] = told_by.exceptions
    assert isinstance(told_by, PermanentFailure)
    assert reason in str(told_by)


async def test_pages_that_are_written_at_once_are_all_there(media, tmp_path, monkeypatch):
    monkeypatch.setattr("taskengine.capture.recording.PAGE", 1)
    origins = Origins(media, window=20, began=Fraction(time.time()) - 19)
    clip = {"source": "http://a.test/live.mpd", "start": origins.utc(1), "end": origins.utc(9)}
    async with follower(origins, tmp_path, clip) as one:
        with trio.fail_after(20):
            await one.run()
        kept = one.recording.fetched
    async with follower(origins, tmp_path, clip, attempt="2") as one:
        await one.recording.load()
        assert one.recording.fetched.keys() == kept.keys()


async def test_a_page_whose_writing_was_cancelled_is_written_later(tmp_path, monkeypatch):
    folder = Folder(LocalStorage([tmp_path]), str(tmp_path / "workspace"), "clip-0")
    recording = Recording(folder, tmp_path, "1")
    segment = Segment(7, Fraction(14), Fraction(2), Resource("http://a.test/7"))
    await folder.put(written(tmp_path / "made"), "video-1/7.mp4")
    recording.note(Fetched("video-1", 0, segment, "video-1/7.mp4", size=4))

    async def never(*given):
        await trio.sleep_forever()

    with monkeypatch.context() as patched, trio.move_on_after(0.05):
        patched.setattr(LocalStorage, "put", never)
        await recording.write_page()
    await recording.write_page()
    again = Recording(folder, tmp_path, "2")
    await again.load()
    assert [one.file for one in again.of("video-1")] == ["video-1/7.mp4"]


async def test_what_a_crash_of_the_host_has_cut_does_not_count(tmp_path):
    folder = Folder(LocalStorage([tmp_path]), str(tmp_path / "workspace"), "clip-0")
    recording = Recording(folder, tmp_path, "1")
    whole = bytes(box(b"moof", bytes(8)) + box(b"mdat", bytes(100)))
    for number in range(4):
        name = f"video-1/{number}.mp4"
        await folder.put_unsynced(written(tmp_path / "made", whole.decode("latin1")), name)
        segment = Segment(
            number, Fraction(2 * number), Fraction(2), Resource(f"http://a.test/{number}")
        )
        if number < 2:
            recording.note(Fetched("video-1", 0, segment, name, size=len(whole)))
    await recording.write_page()
    for number in (1, 3):
        (tmp_path / f"workspace/clip-0/video-1/{number}.mp4").write_bytes(whole[:60])
    again = Recording(folder, tmp_path, "2")
    await again.load()
    assert [one.file for one in again.of("video-1")] == ["video-1/0.mp4"]
    assert [number for _, _, _, number, _ in again.lost] == [1]
    assert await again.finds("video-1/2.mp4", "mp4") == len(whole)
    assert await again.finds("video-1/3.mp4", "mp4") is None
    assert await again.finds("video-1/4.mp4", "mp4") is None


async def test_captions_that_cannot_be_read_hold_up_no_pictures(media, tmp_path, monkeypatch):
    monkeypatch.setattr(demand, "PATIENCE", 1.0)

    def bad(path, found, _):
        if path == "/master.m3u8":
            words = b'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="t",NAME="t",URI="bad.m3u8"\n'
            return Answered(200, found.body.replace(b"#EXTM3U\n", b"#EXTM3U\n" + words))
        return Answered(404) if path == "/bad.m3u8" else found

    origins = Origins(media, faults={"a.test": bad})
    clip = {"source": "http://a.test/master.m3u8", "start": origins.utc(1), "end": origins.utc(3)}
    async with follower(origins, tmp_path, clip) as one:
        with trio.fail_after(20):
            found = await one.run()
        assert "text-1" in found.tracks
        assert await numbers(one, "video-1") == [2, 3, 4, 5, 6, 7]
        assert "Source 0 of clip 0: text-1: status 404" in origins.lines


class SilentCaptions:
    """A stream whose captions never answer."""

    tracks = (SourceTrack("v", "video"), SourceTrack("t", "text"))

    async def window(self, track):
        if track.type == "text":
            await trio.sleep_forever()
        segment = Segment(0, Fraction(0), Fraction(2), Resource("http://a.test/0"))
        return Window((segment,), has_clock=True)


async def test_captions_that_are_silent_hold_up_pictures_once(tmp_path, autojump_clock):
    async with follower(Origins(tmp_path), tmp_path, {"source": "http://a.test/x"}) as one:
        stream = SilentCaptions()
        one._want(Range(named(stream.tracks), Fraction(0), Fraction(9), has_clock=True))
        for expected in (OTHERS_SECONDS, MISSED_SECONDS, MISSED_SECONDS):
            begins = trio.current_time()
            await one._read(0, stream)
            assert trio.current_time() - begins == expected
        assert one.demands["video-1"].open
