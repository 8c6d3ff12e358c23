"""Weight: what a batch may hold within the limits ends in time, and holds up nobody (rule 29)."""

import json

import pytest
import trio
from trio_asyncio import aio_as_trio

from taskengine.actors.instance_state import InstanceState
from taskengine.actors.recorder import Recorder
from taskengine.messages import Note
from taskengine.model import Written
from taskengine.runtime.mailbox import Mailbox
from taskengine.testing.contract.world import NOON, ONE, SINGLE, World, done
from tests.support.endings import tell_end
from tests.weight.batches import SMALL, check

IN_TIME = 2.0  # seconds
MEMORY = 100e6  # bytes


async def test_every_batch_ends_in_time_and_takes_bounded_memory(postgres_store):
    meter = await check(postgres_store, SMALL)
    assert {name: took for name, took in meter.longest.items() if took > IN_TIME} == {}
    assert {name: peak for name, peak in meter.peaks.items() if peak > MEMORY} == {}


@pytest.mark.parametrize(
    "held",
    [
        "select from jobs where id = 1 for update",
        "select from tasks where job_id = 1 for update",
        "select from lanes where job_id = 1 for update",
    ],
)
async def test_somebodys_lock_holds_up_the_ends_of_its_job_alone(postgres_store, held):
    """The records of that job are written later, in their order."""
    world = await World(postgres_store.patient).settle()
    ids = [await world.start(SINGLE, urls=[ONE]) for _ in range(5)]
    attempts = await world.claim()
    state, over = InstanceState(world.instance), {}
    somebody = await aio_as_trio(postgres_store.pool.connect)()
    await aio_as_trio(somebody.execute)("set idle_in_transaction_session_timeout = 0; begin")
    await aio_as_trio(somebody.execute)(held)

    async def end(attempt):
        state.list(attempt)
        await mailbox.address.tell(Note(Written(attempt.fence, NOON, "before the end")))
        await tell_end(mailbox.address, done(attempt))
        over[attempt.job.id] = trio.current_time()

    recorder = Recorder(postgres_store.patient, state, lambda: NOON, lambda recorded: None)
    with Mailbox(50) as mailbox:
        async with trio.open_nursery() as nursery:
            started = trio.current_time()
            nursery.start_soon(recorder.run, mailbox)
            for attempt in attempts:
                nursery.start_soon(end, attempt)
            with trio.fail_after(10):
                while over.keys() != set(ids[1:]):
                    await trio.sleep(0.01)
            assert max(over.values()) - started < 4
            await aio_as_trio(somebody.close)()
            with trio.fail_after(10):
                while len(over) < 5:
                    await trio.sleep(0.01)
            mailbox.address.close()
    lines = [message for _, _, message in await world.lines(1)]
    assert lines == ["before the end", "job has completed successfully"]
    for lane in await world.lanes():
        bodies = [json.loads(one.body) for one in lane.callbacks]
        assert [one.get("event") for one in bodies] == ["complete", None]
