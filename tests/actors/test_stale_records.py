"""What becomes of an attempt whose records are refused, since another one runs (rule 3)."""

from dataclasses import replace

import trio

from taskengine.actors.instance_state import InstanceState, Stopped
from taskengine.actors.recorder import Recorder
from taskengine.messages import Finish, Note
from taskengine.model import BadInput, TaskState
from taskengine.runtime.clock import virtual_clock
from taskengine.runtime.mailbox import Mailbox
from taskengine.store.memory import MemoryStore
from taskengine.testing.contract.world import PAIR, World, done
from taskengine.testing.virtual import actions_with, instance, workflow
from tests.conftest import NOON
from tests.support.endings import tell_end

LONG = 3000.0  # seconds of a lease: no heartbeat tells it first


async def test_an_attempt_whose_line_is_refused_is_cancelled(memory_store, autojump_clock):
    cancelled = []

    async def telling(context):
        try:
            while True:
                await trio.sleep(1)
                await context.info("at work")
        finally:
            cancelled.append(trio.current_time())

    async with instance(
        memory_store, lease=LONG, drain=0, actions=actions_with(telling=telling)
    ) as engine:
        await engine.submit(workflow(("only", "test.telling")))
        await trio.sleep(10.5)
        [(old, beat)] = (await memory_store.beats()).items()
        await memory_store.rescue(old, beat, engine.now())
        await trio.sleep(2)
        assert cancelled == [11]


class Picky(MemoryStore):
    """Refuses every batch of more than one record for its data."""

    async def record(self, instance, records, now, **options):
        if len(records) > 1:
            await trio.lowlevel.checkpoint()
            raise BadInput("a record that is no good")
        return await super().record(instance, records, now, **options)


async def test_who_is_stale_is_told_so_also_when_a_batch_is_halved(autojump_clock):
    store = Picky()
    world = await World(store).settle()
    await world.start(PAIR)
    first, second = await world.claim()
    attempts = [first, replace(second, task=replace(second.task, attempt=7))]
    ends = [done(attempt) for attempt in attempts]
    recorder = Recorder(
        store, InstanceState(world.instance), virtual_clock(NOON), lambda recorded: None
    )
    for attempt in attempts:
        recorder.state.list(attempt)
    over = []

    async def tell(place, address):
        await tell_end(address, ends[place])
        over.append(place)

    with Mailbox[Note | Finish](9) as mailbox:
        async with trio.open_nursery() as nursery:
            for place in range(2):
                nursery.start_soon(tell, place, mailbox.address)
                await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(recorder.run, mailbox)
            while len(over) < 2:
                await trio.sleep(1)
            nursery.cancel_scope.cancel()
    assert [one.stopped for one in recorder.state.running.values()] == [None, Stopped.STALE]
    [first, second] = (await world.job(1)).tasks
    assert (first.state, second.state) == (TaskState.COMPLETED, TaskState.WORKING)
