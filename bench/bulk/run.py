"""The jobs, the operation, and who looks at the pages."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import trio
import trio_asyncio

from bench.scale.samples import Timing
from bench.serving import CLIENT, KEY, Served, serving
from taskengine.embedded.postgres import embedded_postgres

BATCH = 500  # jobs of a submission
JOB = {"job": {"workflow": "noop"}, "parameters": {}}
QUIET = 20  # rounds through the pages before the operation


@dataclass(slots=True)
class Figures:
    """How long pages took, in milliseconds, before and during an operation over so many jobs, which
    took so many seconds."""

    jobs: int
    seconds: float = 0.0
    before: dict[str, Timing] = field(default_factory=dict)
    during: dict[str, Timing] = field(default_factory=dict)
    rounds: int = 0  # through the pages, during it


async def run(data: Path, jobs: int, told: Callable[[str], None]) -> Figures:
    """In a database of its own below `data`."""
    figures = Figures(jobs)
    async with (
        trio_asyncio.open_loop(),
        embedded_postgres(data) as url,
        serving(data, database_url=url) as served,
    ):
        told(f"{jobs} jobs are submitted")
        last = await _submit(served.http, jobs)
        base = str(served.http.base_url)
        async with httpx.AsyncClient(base_url=base, timeout=30, trust_env=False) as browser:
            signed_in = await browser.post("/ui/sign-in", data={"client": CLIENT, "key": KEY})
            assert signed_in.status_code == 303, signed_in.text
            pages = _pages(last)
            await _look(browser, pages, defaultdict(list))  # templates are made once
            quiet: dict[str, list[float]] = defaultdict(list)
            for _ in range(QUIET):
                await _look(browser, pages, quiet)
            figures.before = _timings(quiet)
            told("all of them are paused")
            await _operate(served, browser, pages, figures)
    return figures


async def _submit(http: httpx.AsyncClient, jobs: int) -> int:
    """So many jobs, none of which starts; the id of the last one."""
    stopped = await http.post("/settings", json={"name": "max_jobs", "setting": "0"})
    stopped.raise_for_status()
    last = 0
    for start in range(0, jobs, BATCH):
        batch = [JOB] * min(BATCH, jobs - start)
        answer = await http.post("/jobs/batch", json=batch, timeout=60)
        answer.raise_for_status()
        last = int(answer.json()[-1]["id"])
    return last


def _pages(last: int) -> Mapping[str, str]:
    """By name: those that an operator looks at meanwhile."""
    return {
        "Now": "/ui/",
        "Jobs": "/ui/jobs",
        "Jobs, queued": "/ui/jobs?state=queued",
        "Jobs, paused": "/ui/jobs?state=paused",
        "a job that waits": f"/ui/jobs/{last}",
        "its log": f"/ui/jobs/{last}/log",
        "All that match": "/ui/operations",
        "Schedules": "/ui/schedules",
        "Clients": "/ui/clients",
        "Settings": "/ui/settings",
        "`GET /jobs`": "/jobs",
        "`GET /jobs/<id>/explain`": f"/jobs/{last}/explain",
    }


async def _look(
    browser: httpx.AsyncClient, pages: Mapping[str, str], seconds: dict[str, list[float]]
) -> None:
    for name, path in pages.items():
        start = time.perf_counter()
        answer = await browser.get(path)
        seconds[name].append(time.perf_counter() - start)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:200]}"


async def _operate(
    served: Served, browser: httpx.AsyncClient, pages: Mapping[str, str], figures: Figures
) -> None:
    """Pause all jobs, and look at pages until that is done."""
    asked = await served.http.post("/jobs/bulk/pause?state=queued")
    asked.raise_for_status()
    number, start = asked.json()["id"], time.perf_counter()
    seconds: dict[str, list[float]] = defaultdict(list)
    while True:
        await _look(browser, pages, seconds)
        figures.rounds += 1
        told = (await served.http.get(f"/operations/{number}")).json()
        if told["state"] not in ("counting", "running"):
            break
        await trio.sleep(0.05)
    figures.seconds = time.perf_counter() - start
    assert (told["state"], told["done"]) == ("done", figures.jobs), told
    figures.during = _timings(seconds)


def _timings(seconds: Mapping[str, list[float]]) -> dict[str, Timing]:
    return {name: Timing.of(own) for name, own in seconds.items()}


def slow(figures: Figures, bound: float) -> list[str]:
    """The pages that took longer, in milliseconds."""
    return [name for name, timing in figures.during.items() if timing.p95 > bound]


def table(figures: Figures) -> str:
    """As Markdown."""
    head = (
        f"| milliseconds | p50 before | p95 before | p50 while {figures.jobs:,} jobs are paused "
        "| p95 meanwhile |\n|---|--:|--:|--:|--:|"
    )
    rows = [
        f"| {name} | {quiet.p50:.0f} | {quiet.p95:.0f} | {busy.p50:.0f} | {busy.p95:.0f} |"
        for name, quiet in figures.before.items()
        for busy in [figures.during[name]]
    ]
    rate = figures.jobs / max(figures.seconds, 1e-3)
    told = (
        f"The operation took {figures.seconds:.0f} s ({rate:,.0f} jobs/s), in which each page was "
    )
    return "\n".join([head, *rows, "", f"{told}looked at {figures.rounds} times."])
