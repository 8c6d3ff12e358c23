"""Ordinary submissions within the documented limits, but large: a real engine ends their jobs, in
little memory, and after a kill, too. `make weight` sends many more."""

import json
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.support.receivers import serve_requests
from tests.support.serving import ended_job, post_job, serving

LISTS = [[n % 10] for n in range(40_000)]  # slow to parse
TEXT = "x" * 400_000
URLS = 20
MEMORY = 300e6  # bytes; parsing the submissions takes its part


def peak_memory(process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    [line] = [one for one in status.splitlines() if one.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


async def set_slots(client, number):
    answer = await client.post("/settings", json={"name": "max_jobs", "setting": str(number)})
    assert answer.status_code == 200, answer.text


async def post_heavy(client, url):
    """Jobs of both kinds, all of which start at once."""
    await set_slots(client, 0)
    given = [{"custom_data": LISTS, "rest_endpoints": [f"{url}/lists"]}] * 3
    urls = [f"{url}/{number}" for number in range(URLS)]
    given += [{"custom_data": TEXT, "rest_endpoints": urls}] * 2
    ids = [await post_job(client, "noop", **one) for one in given]
    await set_slots(client, 50)
    return ids


async def check_heard(client, job_id):
    """Each URL was told of each event once; what was told has the custom data."""
    log = (await client.get(f"/jobs/{job_id}/callbacks")).json()
    told = Counter((one["url"], one["event"]) for one in log)
    assert set(told.values()) == {1}
    urls = {url for url, _ in told}
    assert {event for _, event in told} == {"start", "complete", "end"}
    assert len(told) == 3 * len(urls)
    assert [one["number"] for one in log] == [1, 2, 3] * len(urls)
    return len(urls)


@pytest.mark.parametrize("killed", [False, True])
async def test_heavy_jobs_end(tmp_path, killed):
    data, heard = tmp_path / "data", []
    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(serve_sink, heard)
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        settings = {"redis_url": "none", "outbound_allow": "127.0.0.0/8", "lease": 3}
        if killed:
            async with serving(data, name="killed", dies=True, **settings) as (process, client):
                ids = await post_heavy(client, url)
                process.kill()
                await trio.to_thread.run_sync(process.wait)
        async with serving(data, **settings) as (process, client):
            if not killed:
                ids = await post_heavy(client, url)
            for job_id in ids:
                job = await ended_job(client, job_id, 90)
                assert (job["queue_state"], job["failed"]) == ("completed", False)
            numbers = [await check_heard(client, job_id) for job_id in ids]
            assert numbers == [1, 1, 1, URLS, URLS]
            await until_delivered(client)
            assert peak_memory(process) < MEMORY
        nursery.cancel_scope.cancel()
    ends = [body for body in map(json.loads, heard) if "custom_data" in body]
    assert {len(body["custom_data"]) for body in ends} == {len(LISTS), len(TEXT)}


async def until_delivered(client):
    with trio.fail_after(90):
        while "taskengine_callbacks_waiting 0" not in (await client.get("/metrics")).text:
            await trio.sleep(0.1)


async def serve_sink(heard, task_status):
    """A receiver of callbacks."""

    async def answer(request, body):
        await trio.lowlevel.checkpoint()
        heard.append(body)
        return 200

    serve = partial(serve_requests, answer)
    await trio.serve_tcp(serve, 0, host="127.0.0.1", task_status=task_status)
