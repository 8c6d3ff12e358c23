"""What the rows share: the app on a store in memory, and an instance that works on its jobs."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from taskengine.testing.contract.world import World
from tests.api.conftest import KEY, Api, api, api_key, body, compiled_once, job_body, now

__all__ = ["api", "api_key", "body", "compiled_once", "now"]


@dataclass
class Integrator:
    """A client of the original API: it knows paths, headers and samples, and nothing else."""

    api: Api
    client: str = "demo-client"

    async def send(self, method, path, content=None, **headers):
        """The status and the JSON of an answer; a header given as None is left out."""
        known = {"client": self.client, "api-key": KEY, "content-type": "application/json"}
        sent = {**known, **{name.replace("_", "-"): value for name, value in headers.items()}}
        sent = {name: value for name, value in sent.items() if value is not None}
        data = content if isinstance(content, bytes | None) else json.dumps(content).encode()
        answer = await self.api.request(method, path, headers=sent, data=data or b"")
        assert answer.mimetype == "application/json", await answer.get_data()
        return answer.status_code, await answer.get_json()

    async def open(self, path):
        """A read without any header."""
        answer = await self.api.request("GET", path)
        return answer.status_code, await answer.get_json()

    async def submitted(self, **job):
        """The id of a new job; what is given goes into its `job`."""
        status, content = await self.send("POST", "/job", job_body(job=job))
        assert status == 200, content
        return content["id"]

    async def job(self, number):
        status, content = await self.open(f"/jobs/{number}")
        assert status == 200
        return content

    async def state(self, number):
        return (await self.job(number))["queue_state"]

    async def ids(self, query=""):
        status, rows = await self.open(f"/jobs{query}")
        assert status == 200, rows
        return [row["id"] for row in rows]


@pytest.fixture
def client(api):
    return Integrator(api)


@pytest.fixture
def admin(api):
    return Integrator(api, "root")


@pytest.fixture
async def world(api, now):
    world = World(api.store)
    world.instance = await api.store.join("one", now)
    return world
