"""Servers of object storages, one of each for all tests of a process, and storages on them."""

from __future__ import annotations

import itertools
import re

import pytest

from taskengine.storage_tables import STORAGES
from tests.support.object_stores import azurite, missing, seaweedfs

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    assert not missing(), missing()
    with seaweedfs(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def azure_server(tmp_path_factory):
    assert not missing(), missing()
    with azurite(tmp_path_factory.mktemp("azure")) as server:
        yield server


@pytest.fixture
def place(request):
    """A beginning of keys that no other test has."""
    return f"{next(_numbers)}-{re.sub('[^a-z0-9]+', '-', request.node.name.lower())[:40]}"


@pytest.fixture
def settings_on(place):
    """The settings of a storage on a server, with roots of this test alone."""

    def settings_on(server, **more):
        roots = {f"{name}_root": f"{place}/{name}" for name in ("input", "output", "workspace")}
        return STORAGES[server.label](**roots, **server.settings, **more)

    return settings_on
