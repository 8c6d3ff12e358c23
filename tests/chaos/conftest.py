"""Fleets of instances, several of them side by side in one test."""

from __future__ import annotations

import os
from contextlib import ExitStack, asynccontextmanager

import pytest
import trio

from tests.chaos.recording import PLUGIN, fleet
from tests.conftest import fresh_database


@pytest.fixture
def recording_plugin(monkeypatch):
    """Instances find the action that records."""
    monkeypatch.setenv("PYTHONPATH", f"{PLUGIN}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


@pytest.fixture
def fleet_of(tmp_path, recording_plugin, postgres_server):
    """Makes fleets, each with a folder and a database of its own.

    Six instances at a time are enough for the server: it takes a hundred connections, and an
    instance up to 15.
    """
    with ExitStack() as databases:

        @asynccontextmanager
        async def make(*names, **settings):
            database = fresh_database(postgres_server)
            url = await trio.to_thread.run_sync(databases.enter_context, database)
            folder = tmp_path / url.rpartition("/")[2]
            async with fleet(folder, *names, database_url=url, **settings) as instances:
                yield instances

        yield make
