"""What an instance holds and does not know of yet, or no more (rules 3 and 4), by virtual times."""

import httpx
import trio

from taskengine.model import TaskState
from taskengine.store.memory import MemoryStore
from taskengine.testing.virtual import actions_with, instance, receiver, workflow
from tests.actors.test_lanes import EVENTS, URL, events

SLOWLY = 6.0  # seconds of an answer: a heartbeat comes in between, and hints ask for more


class SlowClaims(MemoryStore):
    """Answers a claim long after it was committed."""

    async def claim(self, *arguments):
        claimed = await super().claim(*arguments)
        await trio.sleep(SLOWLY if claimed.attempts else 0)
        return claimed

    async def claim_lanes(self, *arguments):
        lanes, next_due = await super().claim_lanes(*arguments)
        await trio.sleep(SLOWLY if lanes else 0)
        return lanes, next_due


async def test_a_claim_on_its_way_to_a_worker_is_not_handed_back(autojump_clock):
    store = SlowClaims()
    async with instance(store) as engine:
        job_id = await engine.submit(workflow(("long", "core.sleep", {"with": {"seconds": 20}})))
        await trio.sleep(30)
        [task] = (await engine.job(job_id)).tasks
    assert (task.state, task.attempt) == (TaskState.COMPLETED, 1)


async def test_a_lane_on_its_way_to_a_courier_is_not_handed_back(autojump_clock):
    store, heard = SlowClaims(), []
    async with instance(store, http=receiver(heard)) as engine:
        await engine.submit(workflow("only"), urls=(URL,))
        await trio.sleep(60)
        [*log] = await store.callbacks(1)
    assert events(heard) == EVENTS
    assert [one.attempts for one in log] == [1, 1, 1]


async def test_a_dismissed_instance_cancels_at_once_what_it_runs(memory_store, autojump_clock):
    """Also what writes nothing, and so would never hear that its fence has moved (rule 3)."""
    cancelled = []

    async def silent(context):
        try:
            await trio.sleep_forever()
        finally:
            cancelled.append((context.attempt.task.attempt, trio.current_time()))

    async with instance(memory_store, drain=1, actions=actions_with(silent=silent)) as engine:
        await engine.submit(workflow(("only", "test.silent")))
        await trio.sleep(7)
        [(old, beat)] = (await memory_store.beats()).items()
        await memory_store.rescue(old, beat, engine.now())
        await trio.sleep(6)
        assert [attempt for attempt, _ in cancelled] == [1]
        assert cancelled[0][1] < 11  # at the next heartbeat


async def test_a_dismissed_instance_ends_the_deliveries_under_way(memory_store, autojump_clock):
    """Its peers deliver what waits in these lanes."""
    ended = []

    async def answer(request):
        try:
            await trio.sleep(12)
        finally:
            ended.append(trio.current_time())
        return httpx.Response(200)

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    async with instance(memory_store, http=http) as engine:
        await engine.submit(workflow("only"), urls=(URL,))
        await trio.sleep(1)
        [(old, beat)] = (await memory_store.beats()).items()
        await memory_store.rescue(old, beat, engine.now())
        await trio.sleep(9)
        assert len(ended) == 1
        assert ended[0] < 6  # at the next heartbeat
