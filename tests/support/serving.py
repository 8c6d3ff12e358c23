"""A real engine in a process of its own, with a REST client, for tests that need all of it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.support.engines import serving as serving_process

KEY = "a-key-for-the-tests-0123456789"
HEADERS = {"client": "acme", "api-key": KEY}
STOP_SECONDS = 120.0  # for what would hang: an engine that takes too long ends itself, with 70


@asynccontextmanager
async def serving(
    data: Path, *, name: str = "serve", dies: bool = False, **settings: object
) -> AsyncIterator[tuple[subprocess.Popen[str], httpx.AsyncClient]]:
    """`taskengine serve` on embedded servers below `data`; yields (process, REST client).

    It is stopped by SIGTERM at the end, and has to end by itself with code 0; one that `dies`
    is killed by its test.
    """
    named: dict[str, Any] = {
        "data_dir": data,
        "bootstrap_client": f"acme:{KEY}",
        "drain": 5,
        **settings,
    }
    log = data.parent / f"{name}.log"
    with ExitStack() as stack:
        started = partial(stack.enter_context, serving_process(log=log, **named))
        process, url = await trio.to_thread.run_sync(started)
        async with httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=20) as client:
            yield process, client
        if dies:
            return
        process.send_signal(signal.SIGTERM)
        with trio.fail_after(STOP_SECONDS):
            while process.poll() is None:
                await trio.sleep(0.02)
        assert process.returncode == 0, log.read_text()


async def post_job(client: httpx.AsyncClient, workflow: str, **parameters: object) -> int:
    """Submit a job as a client would; the answer is its id."""
    body = {"client": "acme", "job": {"workflow": workflow}, "parameters": parameters}
    answer = await client.post("/job", json=body)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


async def ended_job(
    client: httpx.AsyncClient, job_id: int, seconds: float = 60.0
) -> dict[str, Any]:
    """Wait until a job has ended; the answer is the job. A database that is too slow to tell is
    asked again, as clients do."""
    with trio.fail_after(seconds):
        while True:
            answer = await client.get(f"/jobs/{job_id}")
            assert answer.status_code in (200, 503), answer.text
            job: dict[str, Any] = answer.json()
            if job.get("queue_state") in ("completed", "broken"):
                return job
            await trio.sleep(0.05)


async def lines_of(client: httpx.AsyncClient, job_id: int, **query: Any) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = (await client.get(f"/logs/{job_id}", params=query)).json()
    return lines
