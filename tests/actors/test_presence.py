"""The heartbeat while the database does not answer, on virtual time."""

import trio

from taskengine.model import JobState
from tests.actors.instance import instance, workflow


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
