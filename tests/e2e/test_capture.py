"""A live stream of two bad origins is captured while it runs, by an engine that is killed once."""

import time
from fractions import Fraction
from functools import partial
from itertools import pairwise

import pytest
import trio

from taskengine.capture.moments import told
from taskengine.demo.receiver import running_receiver
from tests.capture.film import beeps, numbers, packet_times
from tests.capture.live import make_stream
from tests.capture.origin import Answered, LiveOrigin, serve
from tests.media import players
from tests.support.serving import ended_job, lines_of, post_job, serving

SECONDS = 24
FIRST, LAST = 101, 500  # frames of 25 a second: from 4.04 to 20 s
GONE = 999  # as if the host had gone


class Origins:
    """What was asked of them, and answered whole, by path."""

    def __init__(self, folder, tracks):
        self.began = Fraction(int(time.time()) + 3)
        self.origin = LiveOrigin(folder, tracks, self.began)
        self.served = []
        self.gone = 0  # how many more playlists the first host does not answer

    def answer(self, host, path):
        now = Fraction(time.time())
        found = self.origin.answer(path, now)
        number = path.rpartition("/")[2].partition(".")[0]
        if host == "one" and path.endswith(".m3u8") and self.gone:
            self.gone -= 1
            return Answered(GONE)
        if host == "one" and number in ("6", "14"):
            return Answered(404)
        if host == "one" and number in ("8", "15"):
            return Answered(200, found.body[:-9])
        if host == "two" and number in ("5", "9"):
            return Answered(503)
        if found.status == 200 and path.endswith(".m4s"):
            self.served.append(path)
        return found


@pytest.fixture
async def origins(tmp_path, nursery):
    folder = tmp_path / "stream"
    tracks = await trio.to_thread.run_sync(make_stream, folder, SECONDS)
    made = Origins(folder, tracks)
    made.ports = {}
    for host in ("one", "two"):
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        made.ports[host] = listener.socket.getsockname()[1]
        handler = partial(serve, answer=partial(made.answer, host))
        nursery.start_soon(trio.serve_listeners, handler, [listener])
    return made


async def submitted(client, origins, receiver):
    start, end = (
        told(origins.began + Fraction(frame, 25), has_clock=True) for frame in (FIRST, LAST)
    )
    one, two = (f"http://127.0.0.1:{origins.ports[host]}" for host in ("one", "two"))
    clip = {"sources": [f"{one}/master.m3u8", f"{two}/live.mpd"], "start": start, "end": end}
    return await post_job(
        client,
        "vodcapture",
        content_id="news",
        output_folder="news/0105",
        clips=[clip],
        continuous_capture=True,
        generate_mp4=True,
        rest_endpoints=receiver.urls[:1],
    )


async def test_every_frame_is_there_once(tmp_path, origins):
    data = tmp_path / "var"
    allowed = {"outbound_allow": "127.0.0.0/8"}
    async with running_receiver() as receiver:
        async with serving(data, dies=True, **allowed) as (process, client):
            origins.began = origins.origin.began = Fraction(int(time.time()) + 1)
            job_id = await submitted(client, origins, receiver)
            with trio.fail_after(30):
                while len(origins.served) < 18:
                    await trio.sleep(0.05)
            process.kill()
        origins.gone = 3
        async with serving(data, name="again", **allowed) as (_, client):
            job = await ended_job(client, job_id, 90)
            lines = await lines_of(client, job_id)
            assert job["failed"] is False, lines
            with trio.fail_after(30):
                while not any("metadata" in one.body for one in receiver.of_job(job_id, "/first")):
                    await trio.sleep(0.05)
        [last] = [one.body for one in receiver.of_job(job_id, "/first") if "metadata" in one.body]
    assert last["metadata"] == {"duration": (LAST - FIRST) / 25, "gaps": []}
    check_asset(data / "output/news/0105", last)
    again = len(origins.served) - len(set(origins.served))
    assert again <= 8 + 6, sorted(origins.served)  # in flight, or kept in the last two seconds
    assert any("cannot be read" in one["message"] for one in lines)


def check_asset(asset, said):
    frames = list(range(FIRST, LAST))
    [master] = asset.glob("news_nodrm_*.m3u8")
    *pictures, sound = sorted(players.renditions(master), key=lambda one: "_a" in one.name)
    for playlist in pictures:
        assert numbers(playlist) == frames
        assert max(b - a for a, b in pairwise(packet_times(playlist))) < Fraction(3, 50)
    at = [second - FIRST / 25 for second in range(5, LAST // 25)]
    assert beeps(sound, "-allowed_extensions", "ALL") == pytest.approx(at, abs=0.001)
    assert beeps(asset / "news.mp4") == pytest.approx(at, abs=0.001)
    assert numbers(asset / "news.mp4") == frames
    [mpd] = asset.glob("news_nodrm_*.mpd")
    assert players.duration_of(mpd) == pytest.approx((LAST - FIRST) / 25, abs=0.05)
    assert said["message"].startswith(str(asset))
    assert {name.rpartition("/")[2] for name in said["files"]} == {
        path.name for path in asset.iterdir()
    }
