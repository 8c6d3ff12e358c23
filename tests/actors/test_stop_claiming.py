"""An engine that is told to stop under load, on virtual time."""

import trio

from taskengine.actors.desk import HORIZON
from taskengine.testing.virtual import actions_with, instance, workflow


async def test_nothing_is_claimed_after_the_stop(memory_store, autojump_clock, monkeypatch):
    """Workers are idle again while a claim is on its way, so that there is always another."""
    started, claimed, claim = [], [], memory_store.claim

    async def short(context):
        started.append(trio.current_time())
        await trio.sleep(0.01)
        return {}

    async def slow(*arguments):
        claimed.append(trio.current_time())
        await trio.sleep(0.013)
        return await claim(*arguments)

    monkeypatch.setattr(memory_store, "claim", slow)
    await memory_store.put_setting("", "max_jobs", "1000")
    async with instance(memory_store, actions=actions_with(short=short)) as engine:
        for _ in range(300):
            await engine.submit(workflow(("only", "test.short")))
        await trio.sleep(0.5)
        stopped = trio.current_time()
    assert max(claimed) <= stopped
    assert max(started) <= stopped + 0.02 + HORIZON  # the claim that was on its way
