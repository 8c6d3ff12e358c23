"""Sources that are meant to do harm: refused with a reason, in bounded time and memory."""

import time
import tracemalloc
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from functools import partial

import h11
import httpx
import pytest
import trio

from taskengine.capture import clip, demand, fetching, streams, web
from taskengine.capture.clip import Clip
from taskengine.capture.following import Following
from taskengine.capture.model import Resource, SourceAway, SourceRefused
from taskengine.capture.recording import Recording
from taskengine.capture.sources import addresses, dash, smooth
from taskengine.capture.sources.hls_master import read_master
from taskengine.capture.streams import Answer, open_stream
from taskengine.capture.web import Web
from taskengine.model import PermanentFailure
from taskengine.outbound import open_outbound
from taskengine.storage import Folder
from taskengine.storage.local import LocalStorage
from tests.capture import hostile, jobs
from tests.capture.hostile import MANIFESTS, many_segments, master, playlist
from tests.capture.live import make_stream
from tests.capture.origin import next_request
from tests.capture.packaged_origin import packaged_origin
from tests.capture.test_following import no_proof

URL = "http://a.test/x"


async def offered(text):
    """What a source whose every URL gives the same text offers."""

    async def get(wanted, limit):
        await trio.lowlevel.checkpoint()
        assert len(text) < limit
        return Answer(text.encode(), wanted.url)

    stream = await open_stream(URL, get, lambda: Fraction(0))
    return await stream.window(stream.tracks[0])


@pytest.mark.parametrize("reason", MANIFESTS)
async def test_manifests_are_refused_with_a_reason(reason, monkeypatch):
    monkeypatch.setattr(dash, "MAX_SEGMENTS", 3000)
    monkeypatch.setattr(smooth, "MAX_IN_ALL", 3000)
    if "addresses" in reason:
        monkeypatch.setattr(addresses, "MAX_IN_ALL", 1_000_000)
    with pytest.raises(SourceRefused, match=reason):
        await offered(MANIFESTS[reason])


async def test_documents_that_name_files_are_not_followed():
    with pytest.raises(SourceRefused, match="DTDForbidden"):
        await offered(hostile.OUTSIDE)


def test_a_master_of_many_variants_is_read_quickly():
    began = time.process_time()
    groups = [f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{n}",NAME="n",LANGUAGE="x"' for n in range(490)]
    text = master(*(f"{n}.m3u8" for n in range(490))) + "\n" + "\n".join(groups)
    assert len(read_master(text, URL).tracks) > 400
    assert time.process_time() - began < 5


class Server:
    """Answers each path as it was told to; `asked` counts what was asked for."""

    def __init__(self, answers):
        self.answers, self.asked = answers, Counter()

    async def __call__(self, stream):
        connection = h11.Connection(h11.SERVER)
        async with stream:
            try:
                request = await next_request(stream, connection)
                path = request.target.decode()
                self.asked[path] += 1
                await self.answers[path](stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return


def head(status=200, **headers):
    lines = [f"HTTP/1.1 {status} X", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def body(content, stream, **headers):
    await stream.send_all(head(content_length=len(content), **headers) + content)


async def endless(stream):
    await stream.send_all(head())
    while True:
        await stream.send_all(bytes(1 << 16))


async def dripping(stream):
    await stream.send_all(head(content_length=1000))
    while True:
        await stream.send_all(b"x")
        await trio.sleep(0.05)


async def redirected(url, stream):
    await stream.send_all(head(302, location=url, content_length=0))


@pytest.fixture
async def serve(nursery):
    """Starts a server at an address of this machine; gives it and its port."""

    async def start(answers, host="127.0.0.1"):
        [listener] = await trio.open_tcp_listeners(0, host=host)
        server = Server(answers)
        nursery.start_soon(trio.serve_listeners, server, [listener])
        return server, listener.socket.getsockname()[1]

    return start


@pytest.fixture
async def outbound():
    """The engine's own client, which may reach one address here, as if it was a public one."""
    async with open_outbound(["127.0.0.1/32"]) as http:
        yield Web(http)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2:{}/x",
        "http://[::1]:{}/x",
        "http://10.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:127.0.0.2]:{}/x",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
    ],
)
async def test_no_address_leads_inside(serve, outbound, url):
    """Neither said in a manifest nor behind a redirect."""
    inside, port = await serve({"/x": partial(body, b"secret")}, host="127.0.0.2")
    target = url.format(port)
    _, own = await serve({"/moved": partial(redirected, target)})
    for asked in (target, f"http://127.0.0.1:{own}/moved"):
        with pytest.raises(SourceRefused, match=r"public address|neither http nor https"):
            await outbound.get(Resource(asked), 1000)
    assert not inside.asked


async def test_redirects_end(serve, outbound):
    answers = {}
    server, port = await serve(answers)
    answers["/a"] = partial(redirected, f"http://127.0.0.1:{port}/b")
    answers["/b"] = partial(redirected, f"http://127.0.0.1:{port}/a")
    with pytest.raises(SourceRefused, match="more than 5 redirects"):
        await outbound.get(Resource(f"http://127.0.0.1:{port}/a"), 1000)
    assert server.asked.total() == 6


async def test_bodies_without_end_are_left(serve, outbound, tmp_path):
    _, port = await serve({"/x": endless})
    wanted = Resource(f"http://127.0.0.1:{port}/x")
    with pytest.raises(SourceRefused, match="more than 1000000 bytes"):
        await outbound.get(wanted, 1_000_000)
    target = tmp_path / "x"
    with pytest.raises(SourceRefused, match="more than 3000000 bytes"):
        await outbound.download(wanted, target, 3_000_000)
    assert web.HELD <= target.stat().st_size <= 3_000_000 + (1 << 18)


async def test_bodies_that_come_byte_by_byte_are_left(serve, outbound, tmp_path, monkeypatch):
    monkeypatch.setattr(outbound, "longest", 0.5)
    _, port = await serve({"/x": dripping})
    with trio.fail_after(30), pytest.raises(SourceAway, match="no whole answer"):
        await outbound.download(Resource(f"http://127.0.0.1:{port}/x"), tmp_path / "x", 1000)


async def test_packed_bodies_are_unpacked_within_their_bound(serve, outbound):
    good = hostile.bomb(100)
    answers = {
        "/bomb": partial(body, hostile.bomb(200 << 20), content_encoding="gzip"),
        "/good": partial(body, good, content_encoding="gzip"),
        "/cut": partial(body, good[:-9], content_encoding="gzip"),
        "/odd": partial(body, good, content_encoding="br"),
    }
    _, port = await serve(answers)

    async def get(path):
        return (await outbound.get(Resource(f"http://127.0.0.1:{port}{path}"), 1 << 20)).body

    tracemalloc.start()
    try:
        with pytest.raises(SourceRefused, match="more than 1048576 bytes"):
            await get("/bomb")
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()
    assert await get("/good") == b"#EXTM3U\n" + b"#" * 100
    with pytest.raises(SourceAway, match="is cut"):
        await get("/cut")
    with pytest.raises(SourceRefused, match="packed with 'br'"):
        await get("/odd")


@pytest.fixture
def capture(tmp_path):
    """Follows one source, whose answers are given by path, to its end; fails with the reason."""

    async def run(answers, path):
        def respond(request):
            found = answers[request.url.path]
            return httpx.Response(200, content=found() if callable(found) else found)

        async def tell(text):
            await trio.lowlevel.checkpoint()

        folder = Folder(LocalStorage([tmp_path]), str(tmp_path / "workspace"), "clip-0")
        wanted = Clip.read(0, {"source": f"http://a.test{path}"})
        async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
            recording = Recording(folder, tmp_path, "1")
            now = partial(Fraction, time.time())
            one = Following(wanted, Web(http), recording, tmp_path, now, tell, tell, no_proof)
            try:
                with trio.fail_after(60):
                    await one.run()
            except BaseExceptionGroup as group:
                raise _reason(group) from None

    return run


def _reason(error):
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def test_a_playlist_that_goes_on_growing_ends_the_job(capture, monkeypatch):
    monkeypatch.setattr(demand, "MAX_STRETCHES", 3000)
    sizes = iter(range(1000, 100_000, 1000))
    answers = {"/x": lambda: many_segments(next(sizes), over=False).encode()}
    answers |= {f"/{n}.ts": b"" for n in range(10_000)}
    with pytest.raises(PermanentFailure, match="more than 3000 segments"):
        await capture(answers, "/x")


async def test_more_tracks_than_anybody_needs_end_the_job(capture):
    answers = {"/x": master(*(f"{n}.m3u8" for n in range(300))).encode()}
    with pytest.raises(PermanentFailure, match="tracks through, expected at most 100"):
        await capture(answers, "/x")


async def test_segments_are_bounded_by_their_bitrate(capture, monkeypatch):
    monkeypatch.setattr(fetching, "SMALLEST_LIMIT", 1000)
    monkeypatch.setattr(demand, "PATIENCE", 0.2)
    answers = {
        "/x": master("v.m3u8").encode(),
        "/v.m3u8": playlist("#EXTINF:2,", "1.ts").encode(),
        "/1.ts": (b"\x47" + bytes(187)) * 20,
    }
    with pytest.raises(PermanentFailure, match="nothing of its range"):
        await capture(answers, "/x")


async def test_files_named_by_playlists_are_not_read(capture, monkeypatch):
    monkeypatch.setattr(demand, "PATIENCE", 0.2)
    lines = ["#EXTINF:2,", "file:///etc/passwd", '#EXT-X-MAP:URI="file:///etc/passwd"']
    lines += ["#EXTINF:2,", "1.m4s", '#EXT-X-KEY:METHOD=AES-128,URI="file:///etc/passwd"']
    lines += ["#EXTINF:2,", "2.m4s"]
    answers = {"/x": playlist(*lines).encode(), "/1.m4s": b"", "/2.m4s": b""}
    with pytest.raises(PermanentFailure, match="nothing of its range"):
        await capture(answers, "/x")


def test_the_limits_are_those_of_the_documentation():
    assert (streams.MAX_MANIFEST, demand.MAX_STRETCHES) == (16 << 20, 50_000)
    assert clip.MAX_TRACKS == 100


async def test_pictures_of_absurd_size_end_the_job(tmp_path):
    """A small manifest claims pictures that would take 1.3 GB each."""
    began = Fraction(int(time.time()) - 3600)
    folder = tmp_path / "stream"
    tracks = make_stream(folder, 4, rate="10", gop=10, renditions=["w"])
    origin = packaged_origin(folder, tracks, began, Fraction(10**6))
    forged = {"CodecPrivateData": hostile.large_parameters(30_000, 30_000).hex()}
    origin.smooth = tuple(
        replace(one, level={**one.level, **forged}) if one.stream["Type"] == "video" else one
        for one in origin.smooth
    )
    source = {"source": "http://a.test/one.isml/Manifest"}
    with pytest.raises(PermanentFailure, match="no pictures"):
        await jobs.captured(
            tmp_path, lambda path: origin.answer(path, Fraction(time.time())), [source]
        )
