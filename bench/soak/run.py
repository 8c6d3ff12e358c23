"""The load, the snapshot and the samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import asyncpg
import trio
import trio_asyncio
from trio_asyncio import aio_as_trio

from bench.serving import Served, serving
from taskengine.embedded.postgres import embedded_postgres

SAMPLES = 30  # of the whole time
QUEUES = "work=9,windows_capture=0,callback=1"
JOB = {"job": {"workflow": "noop"}, "parameters": {}}
SLOTS = 1_000
STATE = """
    select (select count(*) from jobs where state = 2) as completed,
           (select count(*) from jobs where state in (0, 1)) as waiting,
           (select sum(n_dead_tup) from pg_stat_user_tables
            where relname in ('jobs', 'tasks')) as dead,
           (select sum(pg_indexes_size(relid)) from pg_stat_user_tables
            where relname in ('jobs', 'tasks')) as indexes,
           (select coalesce(max(age(backend_xmin)), 0) from pg_stat_activity) as held
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """A moment."""

    minute: float
    rate: float  # completed jobs a second, since the sample before
    waiting: int  # jobs
    dead_rows: int  # of jobs and tasks
    indexes: float  # MiB, for each 10,000 jobs
    memory: float  # MiB of the engine
    held: int  # transactions since the oldest snapshot


async def run(
    data: Path, minutes: float, rate: int, hold: float, told: Callable[[str], None]
) -> Sequence[Sample]:
    """An engine of its own below `data`, loaded for so long."""
    samples: list[Sample] = []
    async with (
        trio_asyncio.open_loop(),
        embedded_postgres(data) as url,
        serving(data, database_url=url, queues=QUEUES) as served,
        trio.open_nursery() as nursery,
    ):
        answer = await served.http.post("/settings", json={"name": "max_jobs", "setting": SLOTS})
        answer.raise_for_status()
        nursery.start_soon(_load, served, rate)
        nursery.start_soon(_hold, url, 60 * minutes / 3, 60 * hold)
        connection = await aio_as_trio(asyncpg.connect)(url)
        began, completed = trio.current_time(), 0
        for number in range(1, SAMPLES + 1):
            await trio.sleep_until(began + 60 * minutes * number / SAMPLES)
            row = await aio_as_trio(connection.fetchrow)(STATE)
            samples.append(_sample(row, minutes * number / SAMPLES, minutes, completed, served))
            completed = row["completed"]
            told(_line(samples[-1]))
        connection.terminate()
        nursery.cancel_scope.cancel()
    return samples


def _sample(row: Any, minute: float, minutes: float, completed: int, served: Served) -> Sample:
    done = row["completed"] - completed
    jobs = row["completed"] + row["waiting"]
    return Sample(
        minute,
        done / (60 * minutes / SAMPLES),
        row["waiting"],
        int(row["dead"] or 0),
        int(row["indexes"]) / (1 << 20) / max(jobs / 10_000, 1e-3),
        served.memory() / (1 << 20),
        row["held"],
    )


async def _load(served: Served, rate: int) -> None:
    """So many jobs each second, whatever becomes of them."""
    while True:
        next_second = trio.current_time() + 1
        with trio.CancelScope(shield=True):  # a body that is sent in part would be warned of
            answer = await served.http.post("/jobs/batch", json=[JOB] * rate, timeout=60)
        answer.raise_for_status()
        await trio.sleep_until(next_second)


async def _hold(url: str, after: float, seconds: float) -> None:
    """Somebody's open transaction, which the engine's role would not have for long."""
    await trio.sleep(after)
    connection = await aio_as_trio(asyncpg.connect)(url)
    try:
        await aio_as_trio(connection.execute)(
            "set idle_in_transaction_session_timeout = 0; "
            "begin isolation level repeatable read; select 1 from jobs limit 1"
        )
        await trio.sleep(seconds)
    finally:
        connection.terminate()


def _line(sample: Sample) -> str:
    values = (f"{getattr(sample, one.name):,.4g}" for one in fields(Sample))
    return "  ".join(f"{value:>9}" for value in values)


def table(samples: Sequence[Sample]) -> str:
    """As Markdown."""
    names = ("minute", "jobs/s", "waiting", "dead rows", "indexes, MiB per 10,000 jobs",
             "memory, MiB", "transactions since the oldest snapshot")  # fmt: skip
    rows = [[f"{getattr(one, field.name):,.1f}" for field in fields(Sample)] for one in samples]
    head = ["| " + " | ".join(names) + " |", "|" + "--:|" * len(names)]
    return "\n".join([*head, *("| " + " | ".join(row) + " |" for row in rows)])


def svg(samples: Sequence[Sample]) -> str:
    """A curve for each figure, from 0 to its greatest value."""
    names = [field.name for field in fields(Sample)][1:]
    parts = [_curve(samples, name, place) for place, name in enumerate(names)]
    height = 110 * len(names)
    size = f'width="720" height="{height}" viewBox="0 0 720 {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>\n'


def _curve(samples: Sequence[Sample], name: str, place: int) -> str:
    values = [float(getattr(one, name)) for one in samples]
    most = max(*values, 1e-9)
    top = 110 * place
    points = " ".join(
        f"{10 + 700 * number / max(len(values) - 1, 1):.0f},{top + 100 - 80 * value / most:.0f}"
        for number, value in enumerate(values)
    )
    label = f"{name.replace('_', ' ')}, up to {most:,.4g}"
    text = f'<text x="10" y="{top + 14}" font-family="sans-serif" font-size="12">{label}</text>'
    return f'{text}<polyline fill="none" stroke="#2563eb" stroke-width="2" points="{points}"/>'
