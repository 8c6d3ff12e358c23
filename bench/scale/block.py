"""A block of real jobs, made by a real engine: what is copied to fill a database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import trio

from bench.serving import CLIENT, Served, serving
from taskengine.demo.receiver import running_receiver

HISTORY = 20  # jobs of a block that are over
BACKLOG = 20  # jobs of a block that wait
WORKFLOWS = Path(__file__).parent / "workflows"
FAR = "2999-01-01T00:00:00.000Z"
NOBODY = "http://127.0.0.1:9/hook"  # the port of discard, where nobody listens
PATIENCE = 60.0  # seconds
OVER = ("completed", "broken")


@asynccontextmanager
async def serving_bench(data: Path, url: str) -> AsyncIterator[Served]:
    """An engine with the workflows of the block."""
    async with serving(data, database_url=url, workflows=WORKFLOWS) as served:
        yield served


async def make_block(data: Path, url: str) -> None:
    """Run the block's jobs: those of the history to their end, the others until they wait."""
    async with running_receiver() as receiver, serving_bench(data, url) as served:
        await _call(served.http, "POST", "/settings", _max_jobs(50))
        await _history(served.http, receiver.urls[0])
        await _call(served.http, "POST", "/settings", _max_jobs(0))
        await _backlog(served.http, receiver.urls[0])


async def _history(http: httpx.AsyncClient, hook: str) -> None:
    first = await submit(http, hook, {"priority": 1})
    ids = [first, await submit(http, hook, {"depends_on": [first]})]
    ids.append(await submit(http, hook, {"workflow": "bench_fail"}))
    ids.append(await submit(http, hook, {"run_at": FAR}))
    await _call(http, "PATCH", f"/job/{ids[-1]}", {"client": CLIENT, "queue_state": "broken"})
    refused = await http.post("/job", json={"client": CLIENT, "job": {"workflow": "unknown"}})
    assert refused.status_code == 400, refused.text
    ids += [await submit(http, NOBODY, {"priority": 9}) for _ in range(2)]
    while len(ids) < HISTORY - 1:
        ids.append(await submit(http, hook, {"priority": 1 + len(ids) % 10}))
    with trio.fail_after(PATIENCE):
        while [job_id for job_id in ids if not await _is_told(http, job_id)]:
            await trio.sleep(0.2)


async def _is_told(http: httpx.AsyncClient, job_id: int) -> bool:
    """Whether a job is over and each of its callbacks was tried."""
    job = (await _call(http, "GET", f"/jobs/{job_id}")).json()
    if job["queue_state"] not in OVER:
        return False
    told = (await _call(http, "GET", f"/jobs/{job_id}/callbacks")).json()
    return all(one["attempts"] for one in told if one["url"] != NOBODY or one is told[0])


async def _backlog(http: httpx.AsyncClient, hook: str) -> None:
    parent = await submit(http, hook, {"priority": 10})
    paused = await submit(http, hook, {})
    await _call(http, "PATCH", f"/job/{paused}", {"client": CLIENT, "queue_state": "paused"})
    await submit(http, hook, {"depends_on": [parent]})
    for _ in range(4):
        await submit(http, hook, {"run_at": FAR})
    await submit(http, hook, {"run_at": FAR, "semaphore_url": NOBODY})
    for number in range(BACKLOG - 8):
        await submit(http, hook, {"priority": 1 + number % 10})


def _max_jobs(number: int) -> dict[str, object]:
    return {"name": "max_jobs", "setting": number}


async def submit(http: httpx.AsyncClient, hook: str, job: Mapping[str, object]) -> int:
    """Submit a job of the workflow `bench`, if no other is named; its id."""
    parameters = {"rest_endpoints": [hook], "content_id": "Film", "custom_data": {"order": 7}}
    body = {"client": CLIENT, "job": {"workflow": "bench", **job}, "parameters": parameters}
    return int((await _call(http, "POST", "/job", body)).json()["id"])


async def _call(
    http: httpx.AsyncClient, method: str, path: str, body: Mapping[str, object] | None = None
) -> httpx.Response:
    answer = await http.request(method, path, json=body)
    answer.raise_for_status()
    return answer
