"""Three instances behind a proxy, replaced one after the other under load."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import trio

from tests.chaos.balancer import Balancer
from tests.chaos.place import ROOT
from tests.support.serving import HEADERS, ended_job, lines_of, serving

NAMES = ("one", "two", "three")
CLIENTS = 3
PAUSE = 0.3  # seconds between the rounds of a client
SETTINGS = {"drain": 15, "notice": 3, "queues": "work=3", "requests_per_second": 0}


@dataclass(slots=True)
class Replaced:
    """What clients saw while all instances were replaced, without a fault."""

    requests: int = 0
    jobs: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


async def replaced(
    data: Path, former: Path, seconds: float, say: Callable[[str], None]
) -> Replaced:
    """Three instances of the program below `former`, replaced one after the other by ones of this
    version, which run beside them for so many seconds each time."""
    found, balancer = Replaced(), Balancer()
    async with balancer.pool, trio.open_nursery() as checks:
        fleet = Fleet(data, balancer)
        async with fleet.running(former):
            checks.start_soon(balancer.check)
            transport = {"transport": balancer, "base_url": "http://proxy", "headers": HEADERS}
            async with httpx.AsyncClient(**transport) as client:
                await client.post("/settings", json={"name": "max_jobs", "setting": "200"})
                async with trio.open_nursery() as nursery:
                    for number in range(CLIENTS):
                        nursery.start_soon(_submit, client, found, number)
                    for name in NAMES:
                        await trio.sleep(seconds)
                        before = len(found.jobs)
                        say(f"instance {name} is replaced; {before} jobs so far")
                        await fleet.stop(name)
                        await fleet.start(name, ROOT)
                        if len(found.jobs) == before:
                            found.wrong.append(f"nothing was accepted while {name} was replaced")
                    await trio.sleep(seconds)
                    nursery.cancel_scope.cancel()
                await _judge(client, found)
            checks.cancel_scope.cancel()
    return found


class Fleet:
    """Instances on one embedded database, each on a stack of its own."""

    def __init__(self, data: Path, balancer: Balancer) -> None:
        self.data, self.balancer = data, balancer
        self.stacks: dict[str, AsyncExitStack] = {}

    @asynccontextmanager
    async def running(self, tree: Path):
        try:
            for name in NAMES:
                await self.start(name, tree)
            yield
        finally:
            with trio.CancelScope(shield=True):
                for name in list(self.stacks):
                    await self.stop(name)

    async def start(self, name: str, tree: Path) -> None:
        """One of the program below a folder."""
        self.stacks[name] = stack = AsyncExitStack()
        engine = serving(self.data, name=f"{name}-{tree.name}", tree=tree, **SETTINGS)
        _, client = await stack.enter_async_context(engine)
        self.balancer.upstreams[name] = str(client.base_url).rstrip("/")

    async def stop(self, name: str) -> None:
        """SIGTERM; it has to end with 0."""
        await self.stacks.pop(name).aclose()


async def _submit(client: httpx.AsyncClient, found: Replaced, number: int) -> None:
    """Submit and read, one request after the other, until cancelled; one of the clients sends jobs
    that last."""
    workflow, parameters = ("sleep", {"seconds": 0.5}) if number == 0 else ("noop", {})
    body = {"client": "acme", "job": {"workflow": workflow}, "parameters": parameters}
    while True:
        for method, path in (("POST", "/job"), ("GET", "/jobs"), ("GET", "/dashboard")):
            answer = await client.request(method, path, json=body if method == "POST" else None)
            found.requests += 1
            if answer.status_code != 200:
                found.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            elif method == "POST":
                found.jobs.append(int(answer.json()["id"]))
        await trio.sleep(PAUSE)


async def _judge(client: httpx.AsyncClient, found: Replaced) -> None:
    """A task that waited too long on a desk is handed back before it began, and has a later
    attempt: how often one began is what counts."""
    for job_id in found.jobs:
        job = await ended_job(client, job_id)
        lines = [line["message"] for line in await lines_of(client, job_id)]
        begun = sum(text.startswith("Task '") and text.endswith("' started") for text in lines)
        if job["failed"] or begun != 1:
            found.wrong.append(
                f"job {job_id}: failed {job['failed']}, its task began {begun} times"
            )
