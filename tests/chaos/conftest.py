"""Fleets of instances, several of them side by side in one test."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest

from tests.chaos.recording import PLUGIN, fleet
from tests.conftest import fresh_database

FLEETS = 3  # side by side: the server has a hundred connections, an instance takes up to 15


@pytest.fixture
def fleet_of(tmp_path, monkeypatch, postgres_server):
    """Makes fleets, each with a folder and a database of its own."""
    monkeypatch.setenv("PYTHONPATH", f"{PLUGIN}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    with ExitStack() as stack:
        urls = [stack.enter_context(fresh_database(postgres_server)) for _ in range(FLEETS)]

        def make(*names, **settings):
            folder = tmp_path / f"fleet{len(urls)}"
            return fleet(folder, *names, **{"database_url": urls.pop(), **settings})

        yield make
