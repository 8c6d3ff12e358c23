"""A recorder that crashes over the end of a task, on virtual time."""

import trio

from taskengine.model import Ended
from taskengine.testing.virtual import actions_with, instance, workflow


async def test_a_finished_task_does_not_run_again(memory_store, autojump_clock, monkeypatch):
    started, crashes, record = [], [], memory_store.record

    async def long(context):
        started.append(trio.current_time())
        await trio.sleep(100)
        return {}

    async def crashing(instance, records, now):
        if not crashes and any(isinstance(one, Ended) for one in records):
            crashes.append(trio.current_time())
            raise RuntimeError("a bug")
        return await record(instance, records, now)

    monkeypatch.setattr(memory_store, "record", crashing)
    async with instance(memory_store, actions=actions_with(long=long)) as engine:
        await engine.submit(workflow(("only", "test.long")))
        await trio.sleep(300)
    assert crashes
    assert len(started) == 1
