"""Claims that are held up within their statement, between the choice of rows and their locks, or
that meet the locks of others: what they chose is read again under the lock."""

import pytest
import trio
from trio_asyncio import aio_as_trio

from taskengine.store.postgres.rows import SQL
from taskengine.testing.contract.world import ONE, submission
from tests.contract.recount import fetch
from tests.contract.test_concurrency import worlds

__all__ = ["worlds"]  # a fixture
GATE = 4711  # of an advisory lock
WAITS = "select 1 from pg_locks where locktype = 'advisory' and not granted"
CLAIMS = {  # statement: the part that locks, and what it was chosen from
    "claim": ("), ready as materialized (", "from heads h join tasks", "heads", "h"),
    "claim_lanes": ("), locked as materialized (", "from few join lanes", "few", "few"),
}


def held_up(name):
    """The statement, waiting at the gate when it has chosen."""
    start, chosen, source, alias = CLAIMS[name]
    assert start in SQL[name]
    assert chosen in SQL[name]
    gate = f"), gate as materialized (select pg_advisory_xact_lock_shared({GATE}) from {source}"
    passed = f"from (select c.* from {source} c, gate) as {alias} join {chosen.split()[-1]}"
    return SQL[name].replace(start, gate + start).replace(chosen, passed)


async def take(world, name):
    """How many a claim gets."""
    return len(await (world.claim() if name == "claim" else world.lanes()))


@pytest.mark.parametrize("name", CLAIMS)
async def test_what_others_have_claimed_meanwhile_is_left_to_them(worlds, monkeypatch, name):
    first, second = worlds[:2]
    job_id = await first.start(urls=[ONE])
    if name == "claim_lanes":
        await first.perform(job_id)
    keeper = await aio_as_trio(first.store.pool.connect)()
    await aio_as_trio(keeper.execute)(f"select pg_advisory_lock({GATE})")
    taken = []

    async def late():
        taken.append(await take(first, name))

    async with trio.open_nursery() as nursery:
        with monkeypatch.context() as patch:
            patch.setitem(SQL, name, held_up(name))
            nursery.start_soon(late)
            while not await fetch(second.store, WAITS):
                await trio.sleep(0.01)
        assert await take(second, name) == 1
        await aio_as_trio(keeper.close)()
    assert taken == [0]


async def test_a_claim_does_not_wait_for_what_others_have_locked(worlds):
    first, second = worlds[:2]
    await first.submit(submission(), submission())
    assert await first.admit() == 2
    other = await aio_as_trio(second.store.pool.connect)()
    await aio_as_trio(other.execute)("set idle_in_transaction_session_timeout = 0")
    await aio_as_trio(other.execute)("begin; select 1 from tasks order by id limit 1 for update")
    with trio.fail_after(0.9):  # locks are waited for for a second
        [attempt] = await first.claim()
    assert attempt.job.id == 2
    await aio_as_trio(other.close)()
