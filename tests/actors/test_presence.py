"""The heartbeat while the database does not answer, on virtual time."""

import trio

from taskengine.model import JobState
from taskengine.store.memory import MemoryStore
from taskengine.testing.virtual import actions_with, instance, workflow


async def test_a_database_that_says_nothing_kills_no_instance(
    memory_store, autojump_clock, monkeypatch
):
    """Its readings are late, again and again, for longer than its restarts would last."""
    answered = memory_store.beats

    async def silent():
        if trio.current_time() < 60:
            await trio.sleep(30)
        return await answered()

    monkeypatch.setattr(memory_store, "beats", silent)
    async with instance(memory_store) as engine:
        await trio.sleep(70)
        first = await memory_store.beats()
        await trio.sleep(10)
        assert first != await memory_store.beats()
        job_id = await engine.submit(workflow("only"))
        await trio.sleep(1)
        assert (await engine.job(job_id)).job.state is JobState.COMPLETED


async def test_an_instance_with_a_longer_lease_is_let_be(memory_store, autojump_clock):
    """While a new lease is rolled out, one beats every 20 s, and the other waits for 15 s."""
    started = []

    async def long(context):
        started.append(trio.current_time())
        await trio.sleep(200)
        return {}

    actions = actions_with(long=long)
    async with instance(memory_store, lease=60, actions=actions) as slow:
        job_id = await slow.submit(workflow(("only", "test.long")))
        async with instance(memory_store, lease=15, actions=actions, work=0):
            await trio.sleep(210)
            assert (await slow.job(job_id)).job.state is JobState.COMPLETED
    assert len(started) == 1


class Busy(MemoryStore):
    """All of its connections are taken: nobody's heartbeat gets through."""

    async def beat(self, instance):
        await trio.sleep_forever()


class Apart:
    """The same store on a connection of its own."""

    def __init__(self, store):
        self.store = store

    def __getattr__(self, name):
        return getattr(self.store, name)

    async def beat(self, instance):
        return await MemoryStore.beat(self.store, instance)


async def test_the_heartbeat_has_a_connection_of_its_own(autojump_clock):
    """Rule 3: no load of others takes it away."""
    store = Busy()
    async with instance(store, vital=Apart(store)):
        await trio.sleep(31)
        [beats] = (await store.beats()).values()
    assert beats >= 6
