"""Clients that submit while things go wrong, and what the database says afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import asyncpg
import httpx
import trio
import trio_asyncio
from trio_asyncio import aio_as_trio

LONGEST = 5.0  # seconds in which a submission is answered, whatever happens
LOOK = 0.05  # seconds between two looks at what has come
WIRE = 3.0  # seconds more, for the request's own way on a machine that does much else


@dataclass(slots=True)
class Load:
    """Clients that submit one job after the other, again after a 503, as the API asks."""

    accepted: list[int] = field(default_factory=list)
    refused: int = 0  # 503s
    slowest: float = 0.0  # seconds
    pause: float = 0.2  # seconds before a client tries again

    async def submit(self, client: httpx.AsyncClient, workflow: str, *, key=None, **given) -> int:
        """Until it is accepted; the answer is the id."""
        while True:
            started = trio.current_time()
            answer = await submission(client, workflow, key, **given)
            self.slowest = max(self.slowest, trio.current_time() - started)
            if answer.status_code == 200:
                self.accepted.append(int(answer.json()["id"]))
                return self.accepted[-1]
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), answer.text
            self.refused += 1
            await trio.sleep(self.pause)

    async def run(
        self, client: httpx.AsyncClient, enough: Callable[[], bool], *, name: str = ""
    ) -> None:
        """Small jobs until there was enough; with a name, each has a key."""
        for number in count():
            if enough():
                return
            await self.submit(client, "noop", key=name and f"{name}-{number}")

    async def accepts(self) -> None:
        """Wait until one more was accepted."""
        before = len(self.accepted)
        while len(self.accepted) == before:
            await trio.sleep(LOOK)

    async def refuses(self) -> None:
        """Wait until one more was refused."""
        before = self.refused
        while self.refused == before:
            await trio.sleep(LOOK)

    async def check(self, url: str) -> None:
        """Each was answered in time, and made one job."""
        assert self.slowest < LONGEST + WIRE
        jobs = [number for (number,) in await rows(url, "select id from jobs order by id")]
        assert sorted(self.accepted) == jobs


async def submission(client, workflow, key=None, **given) -> httpx.Response:
    body = {"client": "acme", "job": {"workflow": workflow}, "parameters": given}
    return await client.post("/job", json=body, headers={"Idempotency-Key": key} if key else {})


async def rows(url: str, sql: str, *arguments: object) -> list[tuple]:
    """Ask the database itself, past the proxy."""

    async def fetch() -> list[tuple]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(sql, *arguments)]
        finally:
            await connection.close()

    async with trio_asyncio.open_loop():
        return await aio_as_trio(fetch)()


async def until_ended(url: str, seconds: float) -> None:
    """Wait until no job is unfinished."""
    with trio.fail_after(seconds):
        while await rows(url, "select 1 from jobs where state not in (2, 4) limit 1"):
            await trio.sleep(0.1)


async def check_counters(url: str) -> None:
    """The counters say what the rows say (rule 19)."""
    counted = await rows(
        url, "select client, state, failed, sum(n)::int from counters group by 1, 2, 3"
    )
    real = await rows(url, "select client, state, failed, count(*)::int from jobs group by 1, 2, 3")
    assert {row for row in counted if row[3]} == set(real)
    tasks = await rows(url, "select state, sum(n)::int from task_counters group by 1")
    done = await rows(url, "select state, count(*)::int from tasks where state >= 3 group by 1")
    assert Counter(dict(tasks)) == Counter(dict(done))
