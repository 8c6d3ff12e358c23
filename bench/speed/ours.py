"""The engine, measured from outside: requests, backlogs of several kinds, callbacks, starts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from bench.serving import CLIENT, KEY, Served
from bench.speed.peers import PROGRAMS
from bench.usage import DatabaseMeter, Usage

SLOTS = 1_000
BATCH = 1_000  # jobs of a request
CONNECTIONS = 32  # requests under way
URLS = 3  # that hear of a job with callbacks
CALLS = 3 * URLS  # of a job with one task
TASKS = 10  # of a job with several, one after the other
LINES = 5  # of the log of a job with one task
IDLE = 0.03  # seconds between jobs on an idle engine
PATIENCE = 600.0  # seconds
NOOP = "noop"
WORKFLOWS = {
    "bench_fail": [{"name": "fail", "action": "core.fail", "with": {"message": "as it should"},
                    "retry": {"limit": 0}}],
    "bench_row": [{"name": f"step_{n}", "action": "core.noop"} for n in range(TASKS)],
}  # fmt: skip
SECRET = '{"callback": {"secret": "whsec_YSBzZWNyZXQgZm9yIGEgYmVuY2g="}}'
STARTS = """
    select extract(epoch from t.started_at - j.created_at)::float8 from jobs j
    join tasks t on t.job_id = j.id where j.id > $1 order by 1
"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Jobs, and requests one by one."""

    requests: int = 3_000
    drain: int = 10_000
    failing: int = 3_000
    rows: int = 500
    calling: int = 500
    starts: int = 100


QUICK = Sizes(requests=1_000, drain=4_000, failing=1_000, rows=200, calling=150, starts=40)


@dataclass(frozen=True, slots=True)
class Drain:
    """A backlog that was worked off: jobs a second, and what each job cost."""

    per_second: float
    each: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Ours:
    """Of one round; rates a second, times in seconds."""

    constant: float
    constant_ms: float  # CPU of a constant answer
    single: float
    single_ms: float
    batch: float
    starts: Sequence[float]
    drain: Drain
    failing: Drain
    rows: Drain
    calling: Drain
    memory: int


def write_workflows(folder: Path) -> Path:
    """The workflows of the bench, as TASKENGINE_WORKFLOWS takes them."""
    common = folder / "workflows" / "common"
    common.mkdir(parents=True)
    for name, tasks in WORKFLOWS.items():
        content = json.dumps({"workflow": name, "tasks": tasks})
        (common / f"{name}.yaml").write_text(content, "utf-8")
    return common.parent


@dataclass(frozen=True, slots=True)
class Bench:
    """An engine at work, and its database."""

    served: Served
    meter: DatabaseMeter

    async def measure(self, sizes: Sizes) -> Ours:
        """All of it; what is counted is looked up afterwards."""
        await self._slots(SLOTS)
        starts = await self._starts(sizes.starts)
        await self._slots(0)
        constant, of_constant = await self._load("livez", sizes.requests)
        single, of_single = await self._load("job", sizes.requests)
        before = await self._usage()
        await self._submit(sizes.drain, NOOP)
        batch = (await self._usage()).since(before)
        return Ours(
            constant=constant,
            constant_ms=1000 * of_constant.process / sizes.requests,
            single=single,
            single_ms=1000 * of_single.process / sizes.requests,
            batch=sizes.drain / batch.wall,
            starts=starts,
            drain=await self._drain(sizes.requests + sizes.drain, LINES),
            failing=await self._backlog(sizes.failing, "bench_fail", None),
            rows=await self._backlog(sizes.rows, "bench_row", None),
            calling=await self._calling(sizes.calling),
            memory=self.served.memory(),
        )

    async def _usage(self) -> Usage:
        return await self.meter.usage(self.served.process.pid)

    async def _slots(self, number: int) -> None:
        answer = await self.served.http.post(
            "/settings", json={"name": "max_jobs", "setting": number}
        )
        answer.raise_for_status()

    async def _starts(self, number: int) -> Sequence[float]:
        """Seconds from a submission to the start of its task, as the engine's clock tells."""
        last = await self._last_job()
        for _ in range(number):
            await self._submit(1, NOOP)
            await trio.sleep(IDLE)
        await self._over(number, last)
        return [row[0] for row in await self.meter.rows(STARTS, last)]

    async def _load(self, what: str, number: int) -> tuple[float, Usage]:
        """Requests a second, and what they used."""
        port = str(self.served.http.base_url.port)
        options = [port, what, str(number), str(CONNECTIONS), CLIENT, KEY]
        before = await self._usage()
        done = await trio.run_process(
            [sys.executable, str(PROGRAMS / "load.py"), *options], capture_stdout=True
        )
        used = (await self._usage()).since(before)
        return number / json.loads(done.stdout)["seconds"], used

    async def _submit(self, number: int, workflow: str, urls: Sequence[str] = ()) -> None:
        parameters = {"rest_endpoints": [*urls]} if urls else {}
        job = {"job": {"workflow": workflow}, "parameters": parameters}
        for first in range(0, number, BATCH):
            part = [job] * min(BATCH, number - first)
            answer = await self.served.http.post("/jobs/batch", json=part, timeout=120)
            refused = [one for one in answer.raise_for_status().json() if "error" in one]
            assert not refused, refused[0]

    async def _backlog(self, number: int, workflow: str, lines: int | None) -> Drain:
        await self._slots(0)
        await self._submit(number, workflow)
        return await self._drain(number, lines)

    async def _drain(self, number: int, lines: int | None, called: Called | None = None) -> Drain:
        """Work off what waits, the last `number` jobs. States are checked, and lines."""
        last = await self._last_job() - number
        before = await self._usage()
        await self._slots(SLOTS)
        await self._over(number, last)
        if called is not None:
            await called.all_came(CALLS * number)
        used = (await self._usage()).since(before)
        query = "select count(*) from jobs where id > $1 and state = 2"
        assert await self.meter.value(query, last) == number
        if lines is not None:
            found = await self.meter.value("select count(*) from logs where job_id > $1", last)
            assert found == lines * number, f"{found} lines, expected {lines * number}"
        return Drain(number / used.wall, used.each(number))

    async def _calling(self, number: int) -> Drain:
        """Jobs whose URLs are told of them, by callbacks that are signed and in order."""
        await self.meter.value("update clients set options = $1::json returning 1", SECRET)
        await self._slots(0)
        with receiver() as port:
            called = Called(self.served, f"http://127.0.0.1:{port}/")
            urls = [f"http://127.0.0.1:{port}/{n}" for n in range(URLS)]
            await self._submit(number, NOOP, urls)
            return await self._drain(number, None, called)

    async def _last_job(self) -> int:
        return int(await self.meter.value("select coalesce(max(id), 0) from jobs"))

    async def _over(self, number: int, last: int) -> None:
        """Until so many jobs after the last one are over."""
        query = "select count(*) from jobs where id > $1 and state in (2, 4)"
        with trio.fail_after(PATIENCE):
            while await self.meter.value(query, last) < number:
                await trio.sleep(0.1)


@dataclass(frozen=True, slots=True)
class Called:
    """What a receiver of callbacks has counted."""

    served: Served
    url: str

    async def all_came(self, number: int) -> None:
        """Until so many came; none of them twice, out of order or without a signature."""
        with trio.fail_after(PATIENCE):
            while (told := (await self.served.http.get(self.url)).json())["received"] < number:
                await trio.sleep(0.1)
        assert told == {"received": number, "wrong": {}}, told


@contextmanager
def receiver() -> Iterator[int]:
    """A receiver of callbacks for the length of the block; its port."""
    command = [sys.executable, str(PROGRAMS / "receiver.py")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
