"""One database for the suite, and stores whose transactions can be stopped."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack

import pytest
import trio_asyncio

from taskengine.store.migrate import upgrade
from taskengine.store.postgres import PostgresStore
from tests.conftest import _execute as execute
from tests.conftest import other_database
from tests.interleaving.cases import Cases
from tests.interleaving.stepping import SteppedPool, Stepper
from tests.interleaving.worlds import FIRST, SECOND


@pytest.fixture(scope="session")
def interleaving_database(postgres_server):
    name = f"te_{os.getpid()}_interleaving"
    trio_asyncio.run(execute, postgres_server, f"create database {name}")
    url = other_database(postgres_server, name)
    trio_asyncio.run(upgrade, url)
    yield url
    trio_asyncio.run(execute, postgres_server, f"drop database {name} with (force)")


@pytest.fixture
async def stepper(interleaving_database):
    async with trio_asyncio.open_loop(), AsyncExitStack() as stack:
        pools = [SteppedPool(interleaving_database) for _ in range(3)]
        for pool in pools:
            stack.callback(pool.close)
        writers = ([FIRST], [SECOND], [])
        stores = [PostgresStore(pool, False, own) for pool, own in zip(pools, writers, strict=True)]
        for store in stores:
            await store.time()
        yield Stepper(*stores)


@pytest.fixture(scope="session")
def cases():
    cases = Cases()
    yield cases
    print(f"\n{cases.number} cases, {len(cases.known)} states driven to their end")
