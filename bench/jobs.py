"""Jobs of an engine, timed and watched from outside."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import trio

from bench.serving import CLIENT, EngineFailed, Served
from bench.watching import Watch

LOOK = 0.1  # seconds
PATIENCE = 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class Done:
    """A job that has completed. Times are in seconds, memory in bytes."""

    wall: float
    tasks: dict[str, float]
    cpu: float
    watch: Watch
    folder: Path
    lines: list[str]  # of its log


async def done_job(served: Served, workflow: str, output: Path, name: str, **more: object) -> Done:
    """Post the job and see it to its end. Raises EngineFailed with its last lines."""
    watch = Watch(served.process.pid)
    before, began = watch.cpu(), time.perf_counter()
    parameters = {"content_id": name, "output_folder": name, **more}
    body = {"client": CLIENT, "job": {"workflow": workflow}, "parameters": parameters}
    answer = await served.http.post("/job", json=body)
    if answer.is_error:
        raise EngineFailed(answer.text)
    job_id = answer.json()["id"]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        job = await _ended(served, job_id)
        nursery.cancel_scope.cancel()
    wall = time.perf_counter() - began
    log = (
        (await served.http.get(f"/logs/{job_id}", params={"show_all": 1})).raise_for_status().json()
    )
    lines = [line["message"] for line in log]
    if job["failed"]:
        raise EngineFailed(f"{name} failed: {' '.join(lines[-5:])}")
    tasks = {task["name"]: _length(task) for task in job["tasks"] if task["ended_at"]}
    return Done(wall, tasks, watch.cpu() - before, watch, output / name, lines)


async def _ended(served: Served, job_id: int) -> dict[str, Any]:
    with trio.fail_after(PATIENCE):
        while True:
            answer = await served.http.get(f"/jobs/{job_id}")
            if answer.status_code != 503:  # the machine may be busy
                job: dict[str, Any] = answer.raise_for_status().json()
                if job["queue_state"] == "completed":
                    return job
            await trio.sleep(LOOK)


def _length(task: dict[str, Any]) -> float:
    if not task["started_at"]:
        return 0.0
    began, ended = (datetime.fromisoformat(task[name]) for name in ("started_at", "ended_at"))
    return (ended - began).total_seconds()
