"""The measurement: single submissions, a backlog that is worked off, and jobs on an idle engine."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import trio

from bench.serving import CLIENT, Served, serving

JOB = {"client": CLIENT, "job": {"workflow": "noop"}, "parameters": {}}
SLOTS = 1_000
BATCH = 1_000  # jobs of a request
CLIENTS = 32  # requests under way
SINGLES = 100 * CLIENTS
IDLE = 50  # jobs, one after the other
LOOK = 0.1  # seconds
PATIENCE = 600.0  # seconds
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Figures:
    constant: float  # requests a second that are answered with a constant
    single: float  # jobs a second, a request each
    batch: float  # jobs a second, in requests of BATCH
    completed: float  # jobs a second
    cpu: float  # seconds of the engine's process for a completed job
    starts: list[float]  # seconds from submission to the task's start
    memory: int  # resident bytes
    workers: int

    @property
    def table(self) -> str:
        """As Markdown."""
        ordered = sorted(self.starts)
        p50, p95 = (1000 * ordered[int(len(ordered) * part)] for part in (0.5, 0.95))
        rows = {
            f"`GET /livez`, {CLIENTS} at a time, a constant": f"{self.constant:,.0f}/s",
            f"`POST /job`, {CLIENTS} at a time": f"{self.single:,.0f}/s",
            "the same, as a part of the constant": f"{self.single / self.constant:.2f}",
            f"`POST /jobs/batch` of {BATCH:,}": f"{self.batch:,.0f} jobs/s",
            f"jobs of one task completed, {self.workers} workers": f"{self.completed:,.0f}/s",
            "CPU of the engine for each of them": f"{1000 * self.cpu:.2f} ms",
            "from `POST /job` to the task's start, idle engine, p50": f"{p50:.0f} ms",
            "the same, p95": f"{p95:.0f} ms",
            "resident memory at the end": f"{self.memory / (1 << 20):.0f} MiB",
        }
        return "\n".join(["| | |", "|---|--:|", *(f"| {k} | {v} |" for k, v in rows.items())])


async def run(data: Path, jobs: int, workers: int) -> Figures:
    """Of an engine of its own below `data`, on so many jobs."""
    queues = f"work={workers},windows_capture=0,callback=1"
    async with serving(data, queues=queues) as served:
        starts = [await _start(served) for _ in range(IDLE)]
        await _slots(served, 0)
        constant = await _rate(SINGLES, lambda: served.http.get("/livez"))
        single = await _rate(SINGLES, lambda: served.http.post("/job", json=JOB))
        began = time.perf_counter()
        for _ in range(jobs // BATCH):
            answer = await served.http.post("/jobs/batch", json=[JOB] * BATCH)
            answer.raise_for_status()
        batch = jobs // BATCH * BATCH / (time.perf_counter() - began)
        backlog = SINGLES + jobs // BATCH * BATCH
        before, began = _cpu(served), time.perf_counter()
        await _slots(served, SLOTS)
        await _completed(served, IDLE + backlog)
        completed = backlog / (time.perf_counter() - began)
        cpu = (_cpu(served) - before) / backlog
        return Figures(constant, single, batch, completed, cpu, starts, served.memory(), workers)


async def _rate(number: int, ask: Callable[[], Awaitable[httpx.Response]]) -> float:
    """So many requests, some at a time; how many a second."""

    async def ask_some() -> None:
        for _ in range(number // CLIENTS):
            (await ask()).raise_for_status()

    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(CLIENTS):
            nursery.start_soon(ask_some)
    return number / (time.perf_counter() - began)


async def _start(served: Served) -> float:
    """Seconds from a submission to the start of its task, as both clocks of the engine tell."""
    answer = await served.http.post("/job", json=JOB)
    job_id = answer.raise_for_status().json()["id"]
    with trio.fail_after(PATIENCE):
        while True:
            job = (await served.http.get(f"/jobs/{job_id}")).raise_for_status().json()
            if job["queue_state"] == "completed":
                break
            await trio.sleep(0.02)
    created, started = (
        datetime.fromisoformat(text) for text in (job["created_at"], job["tasks"][0]["started_at"])
    )
    return (started - created).total_seconds()


async def _slots(served: Served, number: int) -> None:
    answer = await served.http.post("/settings", json={"name": "max_jobs", "setting": number})
    answer.raise_for_status()


async def _completed(served: Served, jobs: int) -> None:
    with trio.fail_after(PATIENCE):
        while True:
            counts = (await served.http.get("/health")).raise_for_status().json()["jobs"]
            if int(counts["completed"]) >= jobs:
                return
            await trio.sleep(LOOK)


def _cpu(served: Served) -> float:
    """Seconds of CPU that the engine's process has used."""
    text = Path(f"/proc/{served.process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(text[11]) + int(text[12])) / TICKS
