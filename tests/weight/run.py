"""One client sends the heaviest work that the limits allow; another one must not notice.

All of it at once, on an engine with embedded servers and every default: documents that are slow to
parse, documents with many URLs, jobs of thousands of tasks, settings without end, a job that fails
for which thousands wait. All the while a small job of another client ends in two seconds, /livez
answers, memory stays small; and in the end every job has ended, be the engine killed in between.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import trio

from tests.chaos.children import spawn
from tests.chaos.ports import held_port
from tests.support.engines import SERVE, environment, taskengine

KEY = "a-key-for-heavy-work-0123456789"
ADMIN, HEAVY, LIGHT = "admin", "heavy", "light"
READY_SECONDS, LONGEST_SECONDS = 90.0, 3600.0
PAUSE = 0.3  # seconds between two small jobs
SLOW_SECONDS = 1.0  # of a small job, which is told at once
OPEN = ("queued", "started", "scheduled", "pending")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is of each."""

    lists: int = 25  # jobs whose document of 1 MB is slow to parse, with a URL
    texts: int = 20  # jobs of 900 kB
    urls: int = 100  # of each of these
    wide: int = 300  # jobs of many tasks
    tasks: int = 5_000
    settings: int = 6_000  # of 10,000 characters
    children: int = 20_000  # of a job that fails


SMALL = Sizes(6, 4, 100, 6, 1_000, 150, 2_000)


@dataclass(slots=True)
class Findings:
    seconds: float = 0.0  # until all heavy work was done
    small_jobs: list[float] = field(default_factory=list)  # seconds from POST to their end
    livez: Mapping[str, Any] = field(default_factory=dict)
    peak_memory: list[int] = field(default_factory=list)  # bytes, of each process of the engine
    callbacks: int = 0
    refused_settings: int = 0
    states: Mapping[str, int] = field(default_factory=dict)  # of /health, at the end


@dataclass(slots=True)
class Run:
    folder: Path
    sizes: Sizes
    kill_after: float | None  # seconds
    say: Callable[[str], None]
    port: int = 0
    sink: int = 0
    found: Findings = field(default_factory=Findings)
    _engine: subprocess.Popen[bytes] | None = None
    _is_away: bool = False
    _kills: int = 0

    async def run(self) -> Findings:
        with ExitStack() as stack:
            self.port = stack.enter_context(held_port())
            sink, prober = stack.enter_context(_helper("sink")), None
            self.sink = int(await trio.to_thread.run_sync(sink.stdout.readline))
            self._write_workflows()
            stack.callback(lambda: self._engine and self._engine.kill())
            await self._start()
            for name in (HEAVY, LIGHT):
                await trio.to_thread.run_sync(self._add_client, name)
            prober = stack.enter_context(_helper("prober", str(self.port)))
            began = trio.current_time()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._small_jobs)
                if self.kill_after is not None:
                    nursery.start_soon(self._kill)
                await self._heavy_work()
                await self._all_done()
                nursery.cancel_scope.cancel()
            self.found.seconds = trio.current_time() - began
            self._note_memory()
            self.found.callbacks = int(await _last_words(sink))
            self.found.livez = json.loads(await _last_words(prober))
            self._engine.terminate()
            await trio.to_thread.run_sync(self._engine.wait)
        return self.found

    # The engine

    def _write_workflows(self) -> None:
        folder = self.folder / "workflows" / "common"
        folder.mkdir(parents=True)
        tasks = [
            {"name": f"t{n}", "action": "core.noop", "needs": []} for n in range(self.sizes.tasks)
        ]
        (folder / "wide.yaml").write_text(json.dumps({"workflow": "wide", "tasks": tasks}))
        fails = {"name": "fails", "action": "core.fail", "with": {"message": "at last"}}
        fails |= {"needs": ["waits"], "retry": {"limit": 0}}
        waits = {"name": "waits", "action": "core.sleep", "with": {"seconds": "{{ seconds }}"}}
        parameters = {"type": "object", "properties": {"seconds": {"type": "number"}}}
        content = {"workflow": "fails", "parameters": parameters, "tasks": [waits, fails]}
        (folder / "fails.yaml").write_text(json.dumps(content))

    @property
    def _settings(self) -> dict[str, object]:
        return {
            "data_dir": self.folder / "data",
            "bind": f"127.0.0.1:{self.port}",
            "workflows": self.folder / "workflows",
            "bootstrap_client": f"{ADMIN}:{KEY}",
            "outbound_allow": "127.0.0.0/8",
        }

    async def _start(self) -> None:
        env = environment(**self._settings)
        self._engine = spawn(SERVE, self.folder / "serve.log", env)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as client:
            with trio.fail_after(READY_SECONDS):
                while not await _is_ready(client):
                    assert self._engine.poll() is None, (self.folder / "serve.log").read_text()
                    await trio.sleep(0.05)

    def _add_client(self, name: str) -> None:
        added = taskengine("client", "add", name, "--api-key", KEY, **self._settings)
        assert added.returncode == 0, added.stderr

    async def _kill(self) -> None:
        await trio.sleep(self.kill_after)
        self._note_memory()
        self._is_away = True
        self._kills += 1
        self._engine.kill()
        self._engine.wait()
        self.say("the engine was killed")
        await self._start()
        self._is_away = False

    def _note_memory(self) -> None:
        status = Path(f"/proc/{self._engine.pid}/status").read_text()
        [line] = [one for one in status.splitlines() if one.startswith("VmHWM:")]
        self.found.peak_memory.append(int(line.split()[1]) * 1024)

    # Clients

    @asynccontextmanager
    async def _client(self, name: str) -> AsyncIterator[httpx.AsyncClient]:
        headers = {"client": name, "api-key": KEY}
        url = f"http://127.0.0.1:{self.port}"
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            yield client

    async def _ask(
        self,
        client: httpx.AsyncClient,
        method: str,
        path: str,
        body: Any,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> Any:
        """Until there is an answer that is no 5xx."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **more}
        while True:
            try:
                answer = await client.request(method, path, content=content, headers=headers)
                if answer.status_code < 500 and answer.status_code != 429:
                    return answer
            except httpx.TransportError:
                pass
            await trio.sleep(0.1)

    async def _small_jobs(self) -> None:
        """One after the other, of a priority before all others'."""
        body = {"client": LIGHT, "job": {"workflow": "noop", "priority": 1}, "parameters": {}}
        async with self._client(LIGHT) as client:
            while True:
                start, was_away, kills = time.monotonic(), self._is_away, self._kills
                job_id = (await self._ask(client, "POST", "/job", body)).json()["id"]
                submitted = time.monotonic()
                while not await self._is_over(client, job_id):
                    await trio.sleep(0.02)
                if not was_away and kills == self._kills:
                    self._note_small_job(job_id, submitted - start, time.monotonic() - start)
                await trio.sleep(PAUSE)

    def _note_small_job(self, job_id: str, submitting: float, seconds: float) -> None:
        self.found.small_jobs.append(seconds)
        if seconds > SLOW_SECONDS:
            self.say(
                f"small job {job_id} took {seconds:.2f} s, its POST {submitting:.2f} s of them"
            )

    async def _is_over(self, client: httpx.AsyncClient, job_id: str) -> bool:
        job = (await self._ask(client, "GET", f"/jobs/{job_id}", None)).json()
        return job["queue_state"] == "completed"

    async def _heavy_work(self) -> None:
        sizes, url = self.sizes, f"http://127.0.0.1:{self.sink}"
        lists = {"rest_endpoints": [f"{url}/x"], "custom_data": [[n % 10] for n in range(200_000)]}
        urls = [f"{url}/{number}" for number in range(sizes.urls)]
        texts = {"rest_endpoints": urls, "custom_data": "x" * 900_000}
        async with self._client(ADMIN) as admin, self._client(HEAVY) as client:
            await self._ask(admin, "POST", "/settings", {"name": "max_jobs", "setting": "1000"})
            await self._ask(client, "POST", "/settings", {"name": "max_jobs", "setting": "350"})
            await self._family(client)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._jobs, client, "noop", lists, sizes.lists)
                nursery.start_soon(self._jobs, client, "noop", texts, sizes.texts)
                nursery.start_soon(self._batches, client, _job("wide"), sizes.wide)
                nursery.start_soon(self._many_settings, client)
        self.say("all heavy work is submitted")

    async def _jobs(self, client: httpx.AsyncClient, workflow: str, given: Any, n: int) -> None:
        for _ in range(n):
            answer = await self._ask(client, "POST", "/job", _job(workflow, given))
            assert answer.status_code == 200, answer.text

    async def _batches(self, client: httpx.AsyncClient, job: Any, number: int) -> None:
        for start in range(0, number, 1000):
            jobs = [job] * min(1000, number - start)
            key = {"Idempotency-Key": f"{job['job']['workflow']}-{id(job)}-{start}"}
            told = [{"status": 503}]
            while any(one.get("status") == 503 for one in told):
                told = (await self._ask(client, "POST", "/jobs/batch", {"jobs": jobs}, key)).json()
            assert all("status" not in one for one in told), told[:3]

    async def _family(self, client: httpx.AsyncClient) -> None:
        """A job that fails after a while, and those that wait for it."""
        answer = await self._ask(client, "POST", "/job", _job("fails", {"seconds": 10}))
        child = _job("noop", {"content_id": "child"})
        child["job"]["depends_on"] = [int(answer.json()["id"])]
        await self._batches(client, child, self.sizes.children)

    async def _many_settings(self, client: httpx.AsyncClient) -> None:
        for number in range(self.sizes.settings):
            body = {"name": f"n{number}", "setting": "v" * 10_000}
            answer = await self._ask(client, "POST", "/settings", body)
            self.found.refused_settings += answer.status_code == 400

    async def _all_done(self) -> None:
        async with self._client(ADMIN) as client:
            with trio.fail_after(LONGEST_SECONDS):
                while True:
                    states = (await self._ask(client, "GET", "/health", None)).json()["jobs"]
                    metrics = (await self._ask(client, "GET", "/metrics", None)).text
                    self.found.states = states
                    waiting = _gauge(metrics, "taskengine_callbacks_waiting")
                    if sum(states[one] for one in OPEN) <= 1 and not waiting:
                        return
                    self.say(f"{ {one: states[one] for one in OPEN} }, callbacks {waiting:g}")
                    await trio.sleep(2)


def _job(workflow: str, parameters: Any = None) -> dict[str, Any]:
    return {"client": HEAVY, "job": {"workflow": workflow}, "parameters": parameters or {}}


def _gauge(metrics: str, name: str) -> float:
    return sum(
        float(line.split()[-1]) for line in metrics.splitlines() if line.startswith(f"{name} ")
    )


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


def _helper(name: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"tests.weight.{name}", *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


async def _last_words(process: subprocess.Popen[bytes]) -> bytes:
    output, _ = await trio.to_thread.run_sync(process.communicate)
    return output
