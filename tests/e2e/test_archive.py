"""A live stream is recorded by an engine that is killed once, and becomes an asset."""

import time
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest
import trio

from taskengine.capture.moments import told
from taskengine.demo.receiver import running_receiver
from tests.capture.film import numbers
from tests.capture.live import make_stream
from tests.capture.origin import LiveOrigin, serve
from tests.media import players
from tests.support.serving import ended_job, lines_of, post_job, serving

SECONDS = 16
WINDOW = Fraction(600)  # seconds: longer than the slowest engine takes to come again
ALLOWED = {"outbound_allow": "127.0.0.0/8"}


@pytest.fixture
async def origin(tmp_path, nursery):
    """Its first picture is taken when `began` is set; `served` are the segments that were had."""
    tracks = await trio.to_thread.run_sync(make_stream, tmp_path / "stream", SECONDS)
    began = Fraction(int(time.time()) + 1000)
    made = LiveOrigin(tmp_path / "stream", tracks, began, WINDOW)
    served = []

    def answer(path):
        found = made.answer(path, Fraction(time.time()))
        served.extend([path] * (found.status == 200 and path.endswith(".m4s")))
        return found

    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, partial(serve, answer=answer), [listener])
    return made, f"http://127.0.0.1:{listener.socket.getsockname()[1]}/master.m3u8", served


async def test_a_recording_goes_on_after_kill_9_without_a_loss_or_a_double(tmp_path, origin):
    stream, url, served = origin
    data = tmp_path / "var"
    async with running_receiver() as receiver:
        async with serving(data, dies=True, **ALLOWED) as (process, client):
            stream.began = Fraction(int(time.time()) + 1)
            start, end = (told(stream.began + at, has_clock=True) for at in (0, SECONDS))
            given = {"capture_id": "chan-4", "source": url, "start": start, "end": end}
            recording = await post_job(client, "archive", **given)
            with trio.fail_after(60):
                while len(served) < 12:
                    await trio.sleep(0.05)
            process.kill()
        async with serving(data, name="again", **ALLOWED) as (_, client):
            job = await ended_job(client, recording, 120)
            assert job["failed"] is False, await lines_of(client, recording)
            clip = {"capture_id": "chan-4", "start": start, "end": end}
            made = await post_job(client, "vodnpvr", content_id="one", output_folder="npvr/one",
                                  clips=[clip], rest_endpoints=receiver.urls[:1])  # fmt: skip
            job = await ended_job(client, made, 60)
            assert job["failed"] is False, await lines_of(client, made)
            with trio.fail_after(30):
                while not any("segments" in one.body for one in receiver.of_job(made, "/first")):
                    await trio.sleep(0.05)
        [said] = [one.body for one in receiver.of_job(made, "/first") if "segments" in one.body]
    stored = list((data / "input").rglob("*.m4s"))
    assert len(stored) == 3 * SECONDS
    assert said["metadata"] == {"duration": SECONDS, "gaps": []}
    assert all(Path(name).stat().st_nlink == 2 for name in said["segments"])
    for playlist in players.renditions(Path(said["message"]).with_suffix(".m3u8")):
        if "_v" in playlist.name:
            assert numbers(playlist) == list(range(25 * SECONDS))
