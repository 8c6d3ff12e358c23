"""Procrastinate, with 32 jobs at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from procrastinate import App, PsycopgConnector
from program import MANY, main

app = App(connector=PsycopgConnector())
done = 0


@app.task(name="noop")
async def noop() -> None:
    global done
    done += 1


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[App]:
    with app.replace_connector(PsycopgConnector(conninfo=url)) as own:
        async with own.open_async():
            yield own


async def prepare(url: str) -> None:
    async with opened(url) as own:
        await own.schema_manager.apply_schema_async()


async def enqueue(url: str, jobs: int) -> None:
    async with opened(url) as own:
        for _ in range(jobs // MANY):
            await own.tasks["noop"].batch_defer_async(*[{} for _ in range(MANY)])


async def drain(url: str) -> int:
    async with opened(url) as own:
        await own.run_worker_async(
            wait=False, concurrency=32, install_signal_handlers=False, listen_notify=False
        )
        row = await own.connector.execute_query_one_async(
            "select count(*) as n from procrastinate_jobs where status <> 'succeeded'"
        )
        assert row["n"] == 0
    return done


if __name__ == "__main__":
    main(
        lambda url: asyncio.run(prepare(url)),
        lambda url, jobs: asyncio.run(enqueue(url, jobs)),
        lambda url, jobs: asyncio.run(drain(url)),
    )
