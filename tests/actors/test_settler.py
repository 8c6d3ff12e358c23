"""The settler: who waits for other jobs is told what became of them, in steps that fit."""

import pytest
import trio

from taskengine.actors import adaptive_limit
from taskengine.actors.adaptive_limit import AdaptiveLimit
from taskengine.actors.settler import Settler
from taskengine.messages import Wake
from taskengine.model import JobState, TooHeavy
from taskengine.runtime.clock import virtual_clock
from taskengine.runtime.mailbox import Mailbox
from taskengine.store.memory import MemoryStore
from taskengine.testing.contract.world import World, submission
from tests.conftest import NOON


class Small(MemoryStore):
    """More than ten jobs are too many for one transaction."""

    def __init__(self):
        super().__init__()
        self.asked = []

    async def cascade(self, now, limit=500):
        self.asked.append(limit)
        if limit > 10:
            raise TooHeavy("too many")
        return await super().cascade(now, limit)


async def test_what_is_too_heavy_is_halved_and_comes_to_its_end(autojump_clock, caplog):
    store, told = Small(), []
    world = await World(store).settle()
    parent = await world.start()
    children = await world.submit(*(submission(depends_on=[parent]) for _ in range(30)))
    await store.change(parent, {"queue_state": JobState.BROKEN}, [], NOON)
    with Mailbox[Wake](1) as mailbox:
        async with trio.open_nursery() as nursery:
            settler = Settler(store, virtual_clock(NOON), lambda: told.append(True))
            nursery.start_soon(settler.run, mailbox)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
    assert {(await world.job(child)).job.state for child in children} == {JobState.BROKEN}
    assert len(told) >= 3
    assert store.asked[:7] == [500, 250, 125, 62, 31, 15, 7]
    assert "cascades: 500 at once are too heavy, halved: too many" in caplog.text


async def test_a_portion_grows_again_and_one_alone_is_tried_again(autojump_clock, caplog):
    limit, asked = AdaptiveLimit("work", 8), []
    heavy = 4

    async def ask(number):
        await trio.lowlevel.checkpoint()
        asked.append(number)
        if len(asked) <= heavy:
            raise TooHeavy("much")
        return number

    started = trio.current_time()
    assert await limit.ask(ask) == 1
    assert trio.current_time() - started == pytest.approx(adaptive_limit.RETRY_PAUSE)
    assert "work: too heavy for the database, tried again: much" in caplog.text
    assert [await limit.ask(ask) for _ in range(4)] == [2, 4, 8, 8]
    assert asked == [8, 4, 2, 1, 1, 2, 4, 8, 8]
