"""The measurement from its first step to its last, in a database of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import trio_asyncio
from trio_asyncio import aio_as_trio

from bench.scale.block import WORKFLOWS, make_block, serving_bench
from bench.scale.fill import HISTORY, Filler, read_block
from bench.scale.methods import measure_methods
from bench.scale.report import Figures
from bench.scale.requests import measure_requests
from bench.scale.samples import Timings
from taskengine.actions import find_actions
from taskengine.embedded.postgres import embedded_postgres
from taskengine.model import Definition
from taskengine.store.postgres import open_postgres
from taskengine.store.postgres.migrate import upgrade
from taskengine.workflows.library import load

WAITING = "select count(*) from lanes where due_at is not null"


async def run(
    data: Path, sizes: tuple[int, int], samples: int, told: Callable[[str], None]
) -> Figures:
    """The figures of two databases of these sizes, made for it below `data`."""
    async with trio_asyncio.open_loop(), embedded_postgres(data) as url:
        await upgrade(url)
        told("a block of real jobs")
        await make_block(data, url)
        urls, lanes = await _two_databases(url, sizes, told)
        told("requests")
        timings, memory = await _requests(data, urls, samples, sizes)
        told("methods of the store")
        timings |= await _methods(urls, samples)
        return Figures(sizes, lanes, memory, timings)


async def _two_databases(
    url: str, sizes: tuple[int, int], told: Callable[[str], None]
) -> tuple[list[str], list[int]]:
    """A copy of the database at the first size, and the database at the second; the URLs, and how
    many lanes wait in each."""
    small, large = sizes
    connection = await aio_as_trio(asyncpg.connect)(url)
    block = await aio_as_trio(read_block)(connection)
    filler = Filler(connection, block, told, large // HISTORY)
    await aio_as_trio(filler.grow)(small, small)
    lanes = [await aio_as_trio(connection.fetchval)(WAITING)]
    await aio_as_trio(connection.close)()
    copy = await _copied(url)
    filler.connection = await aio_as_trio(asyncpg.connect)(url)
    await aio_as_trio(filler.grow)(large, large)
    lanes.append(await aio_as_trio(filler.connection.fetchval)(WAITING))
    await aio_as_trio(filler.connection.close)()
    return [copy, url], lanes


async def _copied(url: str) -> str:
    """A database with the same in it; its URL."""
    start, _, name = url.rpartition("/")
    connection = await aio_as_trio(asyncpg.connect)(f"{start}/postgres")
    await aio_as_trio(connection.execute)(f"create database small template {name}", timeout=60)
    await aio_as_trio(connection.close)()
    await upgrade(f"{start}/small")  # the limits of a role belong to a database
    return f"{start}/small"


async def _requests(
    data: Path, urls: Sequence[str], samples: int, sizes: Sequence[int]
) -> tuple[Timings, list[int]]:
    async with AsyncExitStack() as stack:
        engines = []
        for number, url in enumerate(urls):
            folder = data / str(number)
            folder.mkdir()
            engines.append(await stack.enter_async_context(serving_bench(folder, url)))
        clients = [one.http for one in engines]
        timings = await measure_requests(clients, samples, sizes)
        return timings, [one.memory() for one in engines]


async def _methods(urls: Sequence[str], samples: int) -> Timings:
    async with AsyncExitStack() as stack:
        opened = [open_postgres(url, connections=2) for url in urls]
        stores = [await stack.enter_async_context(one) for one in opened]
        return await measure_methods(stores, bench_definition(), samples)


def bench_definition() -> Definition:
    """Of the workflow of the block."""
    workflow = load((WORKFLOWS,), find_actions()).find("", "bench")
    assert workflow is not None
    return workflow.definition
