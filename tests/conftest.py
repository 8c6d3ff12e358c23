"""Fixtures for all tests: a fake clock's start, and real databases, a fresh one for each test."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import trio
import trio_asyncio
from hypothesis import HealthCheck, settings
from trio_asyncio import aio_as_trio

from taskengine.embedded.postgres import embedded_postgres
from taskengine.store.memory import MemoryStore
from taskengine.store.postgres import open_postgres
from taskengine.store.postgres.migrate import upgrade
from taskengine.testing.times import NOON as NOON
from tests.distribution import FIRST_PROCESS, NICENESS, Distribution

SHARED = ("contract", "interleaving", "faults", "chaos", "e2e", "api")  # assertions
pytest.register_assert_rewrite(*(f"tests.{folder}" for folder in SHARED))

# The same examples on every run: what a run finds, the next one finds, however slow the machine.
settings.register_profile(
    "same",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("same")

TEMPLATE = f"template_{os.environ.get('PYTEST_XDIST_WORKER', 'te')}"
_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    worker = getattr(config, "workerinput", {}).get("workerid", FIRST_PROCESS)
    if worker != FIRST_PROCESS:
        os.nice(NICENESS)


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "send the requests of tests/api through this proxy"
    parser.addoption("--through", choices=("nginx", "caddy"), help=told)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Distribution | None:
    """Of `--dist loadgroup` alone; with others the tests find their processes by themselves."""
    return Distribution(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An embedded server for the session, with a migrated database TEMPLATE in it."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        trio_asyncio.run(_make_template, url)
        yield url
        return
    with server_in(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@contextmanager
def server_in(folder: Path) -> Iterator[str]:
    """An embedded server, owned by a thread, with TEMPLATE in it."""
    ready, done = threading.Event(), threading.Event()
    urls: list[str] = []
    thread = threading.Thread(target=trio.run, args=(_serve, folder, urls, ready, done))
    thread.start()
    try:
        assert ready.wait(60), "the embedded server did not start"
        trio_asyncio.run(_make_template, urls[0])
        yield urls[0]
    finally:
        done.set()
        thread.join(30)


async def _serve(
    folder: Path, urls: list[str], ready: threading.Event, done: threading.Event
) -> None:
    async with embedded_postgres(folder) as url:
        urls.append(url)
        ready.set()
        await trio.to_thread.run_sync(done.wait)


async def _make_template(url: str) -> None:
    await _execute(url, f"drop database if exists {TEMPLATE}", f"create database {TEMPLATE}")
    await upgrade(other_database(url, TEMPLATE))


async def _execute(url: str, *statements: str) -> None:
    connection = await aio_as_trio(asyncpg.connect)(url)
    for statement in statements:
        await aio_as_trio(connection.execute)(statement)
    await aio_as_trio(connection.close)()


def other_database(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"


@pytest.fixture
def database_url(postgres_server: str) -> Iterator[str]:
    """A fresh migrated database."""
    with fresh_database(postgres_server) as url:
        yield url


@contextmanager
def fresh_database(postgres_server: str, template: str = TEMPLATE) -> Iterator[str]:
    """A migrated database on a server that has the template."""
    name = f"te_{os.getpid()}_{next(_numbers)}"
    trio_asyncio.run(
        _execute, postgres_server, f"create database {name} template {template} strategy file_copy"
    )
    # Settings of a role belong to a database: the template's do not come along.
    url = other_database(postgres_server, name)
    trio_asyncio.run(upgrade, url)
    yield url
    trio_asyncio.run(_execute, postgres_server, f"drop database {name} with (force)")


@contextmanager
def kept_database(postgres_server: str, purpose: str) -> Iterator[str]:
    """A migrated database for many tests, which empty it themselves and pull nobody's plug: its
    commits do not wait for the disk."""
    name = f"te_{os.getpid()}_{purpose}"
    trio_asyncio.run(_execute, postgres_server, f"create database {name}")
    url = other_database(postgres_server, name)
    trio_asyncio.run(upgrade, url)
    hasty = f"alter role current_user in database {name} set synchronous_commit = off"
    trio_asyncio.run(_execute, url, hasty)
    yield url
    trio_asyncio.run(_execute, postgres_server, f"drop database {name} with (force)")


@pytest.fixture
async def postgres_store(database_url):
    async with trio_asyncio.open_loop(), open_postgres(database_url, connections=4) as store:
        yield store


@pytest.fixture
def memory_store() -> MemoryStore:
    return MemoryStore()
