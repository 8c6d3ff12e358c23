"""PgQueuer, as its documentation has it: one worker with its default batch of 10 jobs."""

from __future__ import annotations

import asyncio

import asyncpg
import uvloop
from pgqueuer import AsyncpgDriver, PgQueuer, Queries
from pgqueuer.types import QueueExecutionMode
from program import MANY, main

uvloop.install()


async def prepare(url: str) -> None:
    await Queries(AsyncpgDriver(await asyncpg.connect(url))).install()


async def enqueue(url: str, jobs: int) -> None:
    queries = Queries(AsyncpgDriver(await asyncpg.connect(url)))
    for _ in range(jobs // MANY):
        await queries.enqueue(["noop"] * MANY, [None] * MANY, [0] * MANY)


async def drain(url: str) -> int:
    worker, done = PgQueuer(AsyncpgDriver(await asyncpg.connect(url))), 0

    @worker.entrypoint("noop")
    async def noop(job: object) -> None:
        nonlocal done
        done += 1

    await worker.qm.run(mode=QueueExecutionMode.drain)
    assert not await (await asyncpg.connect(url)).fetchval("select count(*) from pgqueuer")
    return done


if __name__ == "__main__":
    main(
        lambda url: asyncio.run(prepare(url)),
        lambda url, jobs: asyncio.run(enqueue(url, jobs)),
        lambda url, jobs: asyncio.run(drain(url)),
    )
