"""Clients of the engine: each submission is repeated until it is acknowledged, under one key."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import httpx
import trio

from tests.chaos.bodies import send
from tests.chaos.instances import Instance
from tests.chaos.place import KEY
from tests.chaos.plans import Plan, Planner, now

PAUSE = 0.2  # seconds between two tries
CLIENTS = 48  # that submit at once
CHECKED = 0.05  # of the acknowledged: sent once more, to get the same answer


@dataclass(slots=True)
class Load:
    """What was submitted and acknowledged, and what clients saw."""

    planner: Planner
    instances: list[Instance]
    random: random.Random
    http: httpx.AsyncClient
    jobs: dict[int, Plan] = field(default_factory=dict)  # those acknowledged
    doubles: list[str] = field(default_factory=list)  # one key, two jobs
    troubles: list[str] = field(default_factory=list)  # answers that no client should see
    tries: int = 0

    async def run(self, rate: float, seconds: float, room: Callable[[], Awaitable[int]]) -> None:
        """Submit so many jobs a second, as long as there is `room`; returns once all is said."""
        until = trio.current_time() + seconds
        queue, plans = trio.open_memory_channel[Plan](0)
        async with trio.open_nursery() as nursery:
            for _ in range(CLIENTS):
                nursery.start_soon(self._submit_all, plans.clone(), nursery)
            plans.close()
            with queue:
                await self._feed(queue, rate, until, room)

    async def _feed(
        self,
        queue: trio.MemorySendChannel[Plan],
        rate: float,
        until: float,
        room: Callable[[], Awaitable[int]],
    ) -> None:
        while trio.current_time() < until:
            for _ in range(min(await room(), max(1, round(rate)))):
                with trio.move_on_at(until):
                    await queue.send(self.planner.plan())
                    await trio.sleep(self.random.random() * 2 / rate)
            await trio.sleep(0.1)

    async def _submit_all(
        self, plans: trio.MemoryReceiveChannel[Plan], nursery: trio.Nursery
    ) -> None:
        with plans:
            async for plan in plans:
                await self.submit(plan)
                if plan.tampering is not None:
                    nursery.start_soon(self._tamper, plan)

    async def submit(self, plan: Plan) -> None:
        body = plan.body(now())
        plan.job_id = await self._accepted(plan, body)
        self.jobs[plan.job_id] = plan
        if self.random.random() < CHECKED:
            again = await self._accepted(plan, body)
            if again != plan.job_id:
                self.doubles.append(f"{plan.key} made the jobs {plan.job_id} and {again}")

    async def _accepted(self, plan: Plan, body: dict) -> int:
        headers = {"Idempotency-Key": plan.key}
        answer = await self.ask("POST", "/job", plan.client, body, headers)
        if answer.status_code != 200:
            self.troubles.append(f"{plan.key}: {answer.status_code} {answer.text[:200]}")
        return int(answer.json()["id"])

    async def submit_together(self, plans: Sequence[Plan], when: datetime) -> None:
        """In one batch of one client; it is sent again until each of them was accepted."""
        body = {"jobs": [plan.body(when) for plan in plans]}
        headers = {"Idempotency-Key": plans[0].key}
        while True:
            answer = await self.ask("POST", "/jobs/batch", plans[0].client, body, headers)
            told = answer.json()
            if all("status" not in one for one in told):
                break
            if odd := [one for one in told if one.get("status", 503) != 503]:
                self.troubles.append(f"{plans[0].key}: {odd[0]}")
                return
        for plan, one in zip(plans, told, strict=True):
            plan.job_id = int(one["id"])
            self.jobs[plan.job_id] = plan

    async def ask(
        self, method: str, path: str, client: str, body: dict | None, headers: dict | None = None
    ) -> httpx.Response:
        """Ask one instance after the other until there is an answer."""
        known = {"client": client, "api-key": KEY, **(headers or {})}
        while True:
            self.tries += 1
            instance = self.random.choice(self.instances)
            try:
                request = self.http.build_request(
                    method, instance.url + path, headers=known, json=body
                )
                answer = await send(self.http, request)
                if answer.status_code < 500 and answer.status_code != 429:
                    return answer
                if answer.status_code != 503:
                    self.troubles.append(f"{method} {path}: {answer.status_code} {answer.text}")
            except (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError):
                pass  # it is away; whatever else goes wrong is an error of this test
            await trio.sleep(PAUSE)

    async def _tamper(self, plan: Plan) -> None:
        await trio.sleep(self.random.random() * 3)
        match plan.tampering:
            case "pause":
                await self.change(plan, "paused")
                await trio.sleep(self.random.random() * 2)
                await self.change(plan, "queued")
            case "break":
                await self.change(plan, "broken")
            case "rerun":
                path = f"/jobs/{plan.job_id}/rerun"
                answer = await self.ask("POST", path, plan.client, None)
                if answer.status_code == 200:
                    again = plan.again(int(answer.json()["id"]))
                    self.jobs[again.job_id] = again

    async def resume(self, job_id: int) -> None:
        """For a job that was paused late, by a request that an instance found when it woke."""
        if (plan := self.jobs.get(job_id)) is not None:
            await self.change(plan, "queued")

    async def change(self, plan: Plan, state: str) -> None:
        """A 400 says that the job is over, or was changed by a try whose answer was lost."""
        body = {"client": plan.client, "queue_state": state}
        await self.ask("PUT", f"/job/{plan.job_id}", plan.client, body)
