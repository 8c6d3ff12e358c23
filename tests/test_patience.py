"""How long a patient store waits between its tries while the database is away (rule 2)."""

import random

import pytest
import trio

from taskengine.model import StoreUnavailable
from taskengine.store.postgres.driver_errors import Outages
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
