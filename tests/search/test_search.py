"""The search finds a planted defect, and its seed shows it again."""

from __future__ import annotations

import pytest
import trio_asyncio

from taskengine.store.postgres import advance
from tests.conftest import kept_database
from tests.search.search import kind_of, search
from tests.support.defects import following_one


@pytest.fixture(scope="session")
def search_database(postgres_server):
    with kept_database(postgres_server, "search") as url:
        yield url


def tried(url, seed, tries):
    return trio_asyncio.run(search, url, seed, 0, tries, lambda text: None)


def first_seed(kind, start=1):
    return next(seed for seed in range(start, 10_000) if kind_of(seed) == kind)


@pytest.mark.parametrize("kind", ["interleaving", "state machine"])
def test_a_try_of_each_kind_holds(search_database, kind):
    assert tried(search_database, first_seed(kind), 1) is None


def test_a_defect_is_found_and_its_seed_shows_it_again(search_database, monkeypatch):
    monkeypatch.setattr(advance, "following", following_one)
    found = tried(search_database, 1, 200)
    assert found is not None
    assert "waits for" in found.problem
    again = tried(search_database, found.seed, 1)
    assert again == found
    monkeypatch.undo()
    assert tried(search_database, found.seed, 1) is None
