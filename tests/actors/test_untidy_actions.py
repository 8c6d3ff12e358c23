"""Actions that fail while they are cancelled, in a nursery: their errors come in one group with the
cancellation. By virtual times."""

import trio

from taskengine.messages import Topic
from taskengine.model import JobState, TaskState
from taskengine.testing.virtual import actions_with, instance, workflow

FLOW = workflow(("only", "test.untidy"))


async def untidy(context):
    async def fails_to_clean_up():
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("cleanup")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fails_to_clean_up)
        nursery.start_soon(trio.sleep_forever)


ACTIONS = actions_with(untidy=untidy)


def ends_of(store, monkeypatch):
    """The records that the store is given of ends."""
    record, ends = store.record, []

    async def note(instance, records, now):
        ends.extend(one.outcome.name for one in records if hasattr(one, "outcome"))
        return await record(instance, records, now)

    monkeypatch.setattr(store, "record", note)
    return ends


async def test_one_is_handed_back_once_at_the_end_of_a_drain(
    memory_store, autojump_clock, monkeypatch, caplog
):
    ends = ends_of(memory_store, monkeypatch)
    async with instance(memory_store, actions=ACTIONS, drain=5) as engine:
        job_id = await engine.submit(FLOW)
        await trio.sleep(1)
    [task] = (await memory_store.job(job_id)).tasks
    assert task.state is TaskState.QUEUED
    assert set(ends) == {"RELEASED"}
    assert "failed while it was cancelled" in caplog.text


async def test_the_broken_job_of_an_untidy_action_ends_and_the_worker_lives_on(
    memory_store, autojump_clock, monkeypatch, caplog
):
    ends = ends_of(memory_store, monkeypatch)
    async with instance(memory_store, actions=ACTIONS, work=1) as engine:
        for _ in range(10):  # more than a worker has restarts
            job_id = await engine.submit(FLOW)
            await trio.sleep(1)
            await memory_store.change(job_id, {"queue_state": JobState.BROKEN}, [], engine.now())
            engine.engine.mailboxes.announce(Topic.STOP)
            await trio.sleep(2)
            [task] = (await memory_store.job(job_id)).tasks
            assert task.state is TaskState.CANCELLED
    assert ends == ["CANCELLED"] * 10
    assert "crashed" not in caplog.text


async def test_one_whose_instance_was_dismissed_is_recorded_by_nobody(
    memory_store, autojump_clock, monkeypatch, caplog
):
    ends = ends_of(memory_store, monkeypatch)
    async with instance(memory_store, actions=ACTIONS, work=1) as engine:
        await engine.submit(FLOW)
        await trio.sleep(1)
        engine.engine.state.disown()
        await trio.sleep(1)
        assert ends == []
        engine.engine.drain.cancel()
    assert "crashed" not in caplog.text
