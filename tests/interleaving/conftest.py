"""One database for the suite, and stores whose transactions can be stopped."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
import trio_asyncio

from taskengine.store.postgres import PostgresStore
from tests.conftest import kept_database
from tests.interleaving.cases import Cases
from tests.interleaving.stepping import SteppedPool, Stepper, lift_limits
from tests.interleaving.worlds import FIRST, SECOND


@pytest.fixture(scope="session")
def interleaving_database(postgres_server):
    with kept_database(postgres_server, "interleaving") as url:
        yield url


@pytest.fixture
def patience(monkeypatch):
    lift_limits(monkeypatch)


@pytest.fixture
async def stepper(interleaving_database, patience):
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
    print(
        f"\n{cases.number} cases, {cases.driven} of {len(cases.known)} states driven to their end"
    )
