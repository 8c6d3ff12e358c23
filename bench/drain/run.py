"""The measurement: a backlog by `POST /jobs/batch`, then the time until all of it is completed."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import trio

from bench.serving import CLIENT, Served, serving

SLOTS = 1_000
BATCH = 1_000  # jobs of a request
LOOK = 0.1  # seconds
PATIENCE = 600.0  # seconds
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Drained:
    jobs: int
    accepting: float  # seconds
    draining: float  # seconds
    cpu: float  # seconds of the engine's process while it drained
    memory: int  # resident bytes at the end

    @property
    def line(self) -> str:
        return (
            f"{self.jobs:,} jobs: accepted {self.jobs / self.accepting:,.0f} jobs/s in batches, "
            f"completed {self.jobs / self.draining:,.0f} jobs/s, "
            f"{1000 * self.cpu / self.jobs:.2f} ms of CPU each in the engine, "
            f"{self.memory / 2**20:.0f} MiB resident"
        )


async def run(data: Path, jobs: int, workers: int) -> Drained:
    """Submit and drain so many jobs on an engine of its own below `data`."""
    queues = f"work={workers},windows_capture=0,callback=1"
    async with serving(data, queues=queues) as served:
        await _slots(served, 0)
        started = time.perf_counter()
        for first in range(0, jobs, BATCH):
            await _submit(served, min(BATCH, jobs - first))
        accepting = time.perf_counter() - started
        before, started = _cpu(served), time.perf_counter()
        await _slots(served, SLOTS)
        await _drained(served, jobs)
        draining = time.perf_counter() - started
        return Drained(jobs, accepting, draining, _cpu(served) - before, served.memory())


async def _slots(served: Served, number: int) -> None:
    answer = await served.http.post("/settings", json={"name": "max_jobs", "setting": number})
    answer.raise_for_status()


async def _submit(served: Served, number: int) -> None:
    job = {"client": CLIENT, "job": {"workflow": "noop"}, "parameters": {}}
    answer = await served.http.post("/jobs/batch", json=[job] * number)
    answer.raise_for_status()


async def _drained(served: Served, jobs: int) -> None:
    with trio.fail_after(PATIENCE):
        while await _completed(served) < jobs:
            await trio.sleep(LOOK)


async def _completed(served: Served) -> int:
    answer = await served.http.get("/health")
    counts = answer.raise_for_status().json()
    return int(counts["jobs"]["completed"])


def _cpu(served: Served) -> float:
    """Seconds of CPU that the engine's process has used."""
    text = Path(f"/proc/{served.process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(text[11]) + int(text[12])) / TICKS
