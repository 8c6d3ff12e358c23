"""How long a patient store waits between its tries while the database is away (rule 2)."""

import random

import pytest
import trio

from taskengine.model import StoreUnavailable
from taskengine.store.postgres.driver_errors import SHORTEST_WAIT, Outages
from taskengine.store.postgres.runner import LONGEST_PAUSE, Runner


class Away:
    """A pool whose database is away for a minute; notes when it is tried."""

    def __init__(self):
        self.tried, self.outages = [], Outages()

    async def run(self, transaction, *, single=False):
        await trio.lowlevel.checkpoint()
        self.tried.append(trio.current_time())
        if trio.current_time() < 60:
            raise StoreUnavailable("away")
        return "back"


async def pauses():
    away = Away()
    runner = Runner(away, is_patient=True)
    assert await runner._fetch("time") == "back"
    return [after - before for before, after in zip(away.tried, away.tried[1:], strict=False)]


async def test_a_patient_store_tries_again_each_second_for_as_long_as_it_takes(
    autojump_clock,
):
    assert LONGEST_PAUSE == 1.0
    waited = await pauses()
    assert max(waited) <= LONGEST_PAUSE
    assert sum(waited[:3]) < 1  # of a short outage little is felt


@pytest.mark.parametrize("seed", range(3))
async def test_instances_do_not_come_back_all_at_once(autojump_clock, seed):
    random.seed(seed)
    waited = await pauses()
    assert len({round(one, 3) for one in waited}) > 10
    assert min(waited[4:]) >= LONGEST_PAUSE / 2


async def test_all_who_wait_go_on_as_soon_as_one_finds_the_database_back(autojump_clock):
    away = Away()
    asked = [Runner(away, is_patient=True) for _ in range(10)]
    async with trio.open_nursery() as nursery:
        for runner in asked:
            nursery.start_soon(runner._fetch, "time")
    first = min(one for one in away.tried if one >= 60)
    assert trio.current_time() - first <= SHORTEST_WAIT


async def test_who_is_refused_while_others_are_served_does_not_try_without_end(autojump_clock):
    outages = Outages()

    async def serve_others() -> None:
        while True:
            outages.over()
            await trio.sleep(0.001)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_others)
        for _ in range(20):
            await outages.wait(LONGEST_PAUSE)
        nursery.cancel_scope.cancel()
    assert trio.current_time() >= 20 * SHORTEST_WAIT
