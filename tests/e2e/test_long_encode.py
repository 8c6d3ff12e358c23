"""A film that is encoded in segments, on an engine that is killed or stopped in the middle."""

import re
import signal

import pytest
import trio

from taskengine.media.sample import numbers_of
from taskengine.media.tables import read_track
from taskengine.media.tools import Bench
from taskengine.runtime.process import run_process
from tests.support.films import HEIGHT, PICTURES, SEGMENT, SEGMENTS, long_film
from tests.support.serving import ended_job, lines_of, post_job, serving


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    return long_film(tmp_path_factory.mktemp("long"))


async def kept_segments(data, number):
    """How many segments have a record, once there are so many."""
    with trio.fail_after(120):
        while (found := len(list((data / "workspace").glob("*/segments-*/*.json")))) < number:
            await trio.sleep(0.01)
    return found


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_film_goes_on_with_the_segments_that_were_encoded(tmp_path, film, signal_number):
    data = tmp_path / "var"
    (folder := data / "input/in").mkdir(parents=True)
    (folder / "film.mp4").write_bytes(film.read_bytes())
    given = {"content_id": "c", "source_folder": "in", "output_folder": "out"}
    async with serving(data, name="first", dies=True, drain=0) as (process, client):
        job_id = await post_job(
            client, "vodstream", encode_source=True, encoding_segment=SEGMENT, **given
        )
        await kept_segments(data, SEGMENTS // 2)
        process.send_signal(signal_number)
        await trio.to_thread.run_sync(process.wait)
    kept = await kept_segments(data, SEGMENTS // 2)
    async with serving(data, name="second") as (_, client):
        job = await ended_job(client, job_id, 200)
        lines = await lines_of(client, job_id)
        assert (job["queue_state"], job["failed"]) == ("completed", False), lines
    encoded = {
        line["task_id"]: int(found[1])
        for line in lines
        if (found := re.match(r"film\.mp4: encoded (\d+) of", line["message"]))
    }
    again = [task["id"] for task in job["tasks"] if task["attempt"] > 1]
    assert sum(encoded.get(int(task), 0) for task in again) == SEGMENTS - kept
    told = f"film.mp4: found {SEGMENTS} of {SEGMENTS} segments that are encoded"
    assert told in [line["message"] for line in lines]
    await check_pictures(data / "output/out", tmp_path)


async def check_pictures(folder, scratch):
    """Each picture once, in order, in every rendition."""
    bench = Bench(lambda *given, **more: run_process(*given, cwd=scratch, **more), scratch)
    best, other = folder.glob("c_*_v[12].mp4")
    for path in (best, other):
        assert len(read_track(path, 0)[1]) == PICTURES
        found = {tuple(await numbers_of(bench, path, lines)) for lines in (HEIGHT, 240)}
        assert tuple(range(PICTURES)) in found
