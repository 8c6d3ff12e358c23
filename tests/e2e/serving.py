"""A real engine in a process of its own, for the tests that need all of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import trio

KEY = "a-key-for-the-tests-0123456789"
HEADERS = {"client": "acme", "api-key": KEY}
READY_SECONDS = 60.0
STOP_SECONDS = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def serving(data: Path, **settings: str):
    """`taskengine serve` on embedded servers below `data`; yields (process, REST client).

    It is stopped by SIGTERM at the end, and has to end by itself with code 0.
    """
    port = free_port()
    named = {
        "DATA_DIR": str(data),
        "BIND": f"127.0.0.1:{port}",
        "BOOTSTRAP_CLIENT": f"acme:{KEY}",
        "DRAIN": "5",
        **settings,
    }
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TASKENGINE_")}
    environment |= {f"TASKENGINE_{name}": value for name, value in named.items()}
    log = data.parent / f"serve-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "taskengine", "serve"],
            env=environment,
            stdout=output,
            stderr=output,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=20) as client:
                await _ready(process, client, log)
                yield process, client
            process.send_signal(signal.SIGTERM)
            with trio.fail_after(STOP_SECONDS):
                while process.poll() is None:
                    await trio.sleep(0.02)
            assert process.returncode == 0, log.read_text()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


async def _ready(process: subprocess.Popen[bytes], client: httpx.AsyncClient, log: Path) -> None:
    with trio.fail_after(READY_SECONDS):
        while True:
            assert process.poll() is None, log.read_text()
            try:
                if (await client.get("/")).json() == {"result": "alive"}:
                    return
            except httpx.TransportError:
                await trio.sleep(0.05)


async def post_job(client: httpx.AsyncClient, workflow: str, **parameters) -> int:
    """Submit a job as a client would; the answer is its id."""
    body = {"client": "acme", "job": {"workflow": workflow}, "parameters": parameters}
    answer = await client.post("/job", json=body)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


async def ended_job(client: httpx.AsyncClient, job_id: int, seconds: float = 60.0) -> dict:
    """Wait until a job has ended; the answer is the job."""
    with trio.fail_after(seconds):
        while True:
            job = (await client.get(f"/jobs/{job_id}")).json()
            if job["queue_state"] in ("completed", "broken"):
                return job
            await trio.sleep(0.05)


async def lines_of(client: httpx.AsyncClient, job_id: int, **query) -> list[dict]:
    return (await client.get(f"/logs/{job_id}", params=query)).json()


def processes_with(text: str) -> list[str]:
    """The command lines of live processes that name a text."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found
