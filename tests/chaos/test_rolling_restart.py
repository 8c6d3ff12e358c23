"""Three instances behind a proxy, restarted one after the other under load."""

from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
import trio

from tests.chaos.balancer import Balancer
from tests.support.serving import HEADERS, ended_job, lines_of, serving

NAMES = ("one", "two", "three")
CLIENTS = 3
SETTINGS = {"drain": 15, "notice": 3, "queues": "work=3", "requests_per_second": 0}

pytestmark = pytest.mark.timeout(240)


class Fleet:
    """The instances, each on a stack of its own."""

    def __init__(self, data, balancer):
        self.data, self.balancer = data, balancer
        self.stacks = {}

    async def start(self, name):
        stack = AsyncExitStack()
        _, client = await stack.enter_async_context(serving(self.data, name=name, **SETTINGS))
        self.stacks[name] = stack
        self.balancer.upstreams[name] = str(client.base_url).rstrip("/")

    async def stop(self, name):
        """SIGTERM; it has to end with 0."""
        await self.stacks.pop(name).aclose()


@asynccontextmanager
async def running_fleet(data):
    balancer = Balancer()
    fleet = Fleet(data, balancer)
    async with balancer.pool, trio.open_nursery() as nursery:
        for name in NAMES:
            await fleet.start(name)
        nursery.start_soon(balancer.check)
        try:
            yield fleet
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                for name in list(fleet.stacks):
                    await fleet.stop(name)


class Load:
    """What clients saw."""

    def __init__(self, client):
        self.client = client
        self.jobs, self.failed, self.requests = [], [], 0

    async def run(self, workflow, **parameters):
        """Submit and read, one request after the other, until cancelled."""
        body = {"client": "acme", "job": {"workflow": workflow}, "parameters": parameters}
        while True:
            answer = await self.note(self.client.post("/job", json=body))
            if answer.status_code == 200:
                self.jobs.append(int(answer.json()["id"]))
            await self.note(self.client.get("/jobs"))
            await trio.sleep(0.1)

    async def note(self, request):
        answer = await request
        self.requests += 1
        if answer.status_code != 200:
            self.failed.append((answer.status_code, answer.text))
        return answer


async def starts(client, job_id):
    """How often its task began. One that waited too long on a desk was handed back before that, and
    has a later attempt."""
    told = [line["message"] for line in await lines_of(client, job_id)]
    return sum(text.startswith("Task '") and text.endswith("' started") for text in told)


async def test_a_rolling_restart_fails_no_request(tmp_path):
    async with (
        running_fleet(tmp_path / "var") as fleet,
        httpx.AsyncClient(
            transport=fleet.balancer, base_url="http://proxy", headers=HEADERS
        ) as client,
    ):
        await client.post("/settings", json={"name": "max_jobs", "setting": "200"})
        load = Load(client)
        async with trio.open_nursery() as nursery:
            for _ in range(CLIENTS):
                nursery.start_soon(load.run, "noop")
            nursery.start_soon(lambda: load.run("sleep", seconds=0.5))
            for name in NAMES:
                before = len(load.jobs)
                await fleet.stop(name)
                await fleet.start(name)
                assert len(load.jobs) > before
            nursery.cancel_scope.cancel()
        assert load.failed == []
        for job_id in load.jobs:
            job = await ended_job(client, job_id)
            assert not job["failed"]
            assert await starts(client, job_id) == 1
    print(f"{load.requests} requests, {len(load.jobs)} jobs")
