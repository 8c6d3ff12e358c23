"""A database of one's own, which may be stopped and killed, behind a proxy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio

from tests.conftest import fresh_database, server_in
from tests.faults.proxy import Proxy, proxied


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server is whose processes the tests stop and kill."""
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="session")
def own_server(server_folder: Path) -> Iterator[str]:
    with server_in(server_folder) as url:
        yield url


@pytest.fixture
def direct_url(own_server: str) -> Iterator[str]:
    """A fresh database, for the tests to look at."""
    with fresh_database(own_server) as url:
        yield url


@pytest.fixture
def fresh_url(own_server: str) -> Iterator[Callable[[], Awaitable[str]]]:
    """Makes fresh databases, for scenarios side by side."""
    with ExitStack() as databases:

        async def make() -> str:
            return await trio.to_thread.run_sync(
                databases.enter_context, fresh_database(own_server)
            )

        yield make


@pytest.fixture
def proxy(direct_url: str) -> Iterator[Proxy]:
    """What the engines connect to."""
    with proxied(direct_url) as proxy:
        yield proxy
