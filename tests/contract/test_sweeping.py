"""The sweep of edges that a hand in the database left open (rule 12)."""

import pytest

from taskengine.store.postgres import sweeping
from taskengine.testing.contract.dependencies import child_of, state
from taskengine.testing.contract.world import CHAIN, ONE, World, at, submission
from tests.contract.recount import fetch

WAYS = {  # what was done to the parent: what becomes of its child
    "update jobs set state = 2, open_tasks = 0, band = null where id = $1": "queued",
    "update jobs set state = 2, failed = true, open_tasks = 0, band = null where id = $1": "broken",
    "update jobs set state = 4, open_tasks = 0, band = null where id = $1": "broken",
    "delete from jobs where id = $1": "broken",
    "update jobs set state = 2 where id = $1": "pending",  # its tasks may still run
    "update jobs set failed = true where id = $1": "pending",
}


@pytest.fixture
async def world(postgres_store):
    return await World(postgres_store).settle()


@pytest.mark.parametrize("way", WAYS)
async def test_who_waits_for_a_job_that_is_over_waits_no_longer(world, way):
    parent = await world.start(CHAIN)
    child = await child_of(world, parent, urls=[ONE])
    await fetch(world.store, way, parent)
    settled = int(WAYS[way] != "pending")
    assert await world.store.sweep_edges(0, at(1)) == (settled, None)
    await world.cascade(at(1))
    assert await state(world, child) == WAYS[way]
    assert await world.store.sweep_edges(0, at(2)) == (0, None)
    told = [one.event for lane in await world.lanes(at(2)) for one in lane.callbacks]
    assert told == (["end"] if WAYS[way] == "broken" else [])


async def test_the_sweep_goes_on_where_it_came_to(world, monkeypatch):
    monkeypatch.setattr(sweeping, "PAGE_SIZE", 2)
    parents = await world.submit(*[submission() for _ in range(3)])
    children = [await child_of(world, parent) for parent in parents]
    await fetch(world.store, "update jobs set state = 2 where id = any($1::bigint[])", parents)
    assert await world.store.sweep_edges(0, at(1)) == (2, parents[1])
    assert await world.store.sweep_edges(parents[1], at(1)) == (1, None)
    await world.cascade(at(1))
    assert {await state(world, child) for child in children} == {"queued"}
