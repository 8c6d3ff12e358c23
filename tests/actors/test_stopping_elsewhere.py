"""Orders that reach another instance than the one that runs the job. By virtual times."""

import pytest
import trio

from taskengine.model import JobState, TaskState
from taskengine.testing.virtual import actions_with, instance, workflow
from tests.actors.test_stopping import change, state

FAILS = ("bad", "core.fail", {"with": {"times": 1}, "retry": {"limit": 3, "delay": 30}})


@pytest.fixture
def note():
    """An action that takes a minute, and when and how it ended."""
    ended = []

    async def run(context):
        try:
            await trio.sleep(60)
            ended.append(("done", round(trio.current_time())))
        except trio.Cancelled:
            ended.append(("cancelled", round(trio.current_time(), 1)))
            raise

    return actions_with(note=run), ended


async def test_a_stop_whose_wake_up_is_lost_comes_with_a_heartbeat(
    memory_store, autojump_clock, note
):
    actions, ended = note
    async with (
        instance(memory_store, actions=actions, work=0) as asked,
        instance(memory_store, actions=actions, lease=15),
    ):
        job_id = await asked.submit(workflow(("only", "test.note")))
        await trio.sleep(7)
        await memory_store.change(job_id, {"queue_state": JobState.BROKEN}, [], asked.now())
        await trio.sleep(6)
        [task] = (await asked.job(job_id)).tasks
    [(how, when)] = ended
    assert how == "cancelled"
    assert when <= 7 + 15 / 3 + 1
    assert task.state is TaskState.CANCELLED


async def test_a_stop_that_is_heard_of_takes_no_time(memory_store, autojump_clock, note):
    actions, ended = note
    async with (
        instance(memory_store, actions=actions, work=0) as asked,
        instance(memory_store, actions=actions),
    ):
        job_id = await asked.submit(workflow(("only", "test.note")))
        await trio.sleep(7)
        await change(asked, job_id, queue_state=JobState.BROKEN)
        await trio.sleep(1)
    assert ended == [("cancelled", pytest.approx(7, abs=0.1))]


async def test_a_job_that_is_paused_elsewhere_ends_its_task_and_no_more(
    memory_store, autojump_clock, note
):
    actions, ended = note
    flow = workflow(("one", "test.note"), ("two", "test.note"))
    async with (
        instance(memory_store, actions=actions, work=0) as asked,
        instance(memory_store, actions=actions),
    ):
        await memory_store.put_setting("", "max_jobs", "1")
        first, second = [await asked.submit(flow) for _ in range(2)]
        await trio.sleep(7)
        await change(asked, first, queue_state=JobState.PAUSED)
        await trio.sleep(1)
        assert await state(asked, second) is JobState.STARTED  # the slot is free
        await trio.sleep(200)
        assert await state(asked, first) is JobState.PAUSED
        assert await state(asked, second) is JobState.COMPLETED
        assert ended[0] == ("done", 60)
        await change(asked, first, queue_state=JobState.QUEUED)
        await trio.sleep(62)
        assert await state(asked, first) is JobState.COMPLETED
    assert [how for how, _ in ended] == ["done"] * 4


async def test_a_job_that_waits_for_a_retry_is_stopped(memory_store, autojump_clock):
    async with instance(memory_store, work=0) as asked, instance(memory_store):
        job_id = await asked.submit(workflow(FAILS, "never"))
        await trio.sleep(10)
        await change(asked, job_id, queue_state=JobState.BROKEN)
        await trio.sleep(100)
        tasks = (await asked.job(job_id)).tasks
        waiting = await memory_store.waiting_state(job_id)
    assert [task.state for task in tasks] == [TaskState.CANCELLED] * 2
    assert tasks[0].attempt == 1
    assert waiting is not None


async def test_a_job_that_is_paused_while_it_waits_for_a_retry_goes_on_with_it(
    memory_store, autojump_clock
):
    async with instance(memory_store, work=0) as asked, instance(memory_store):
        job_id = await asked.submit(workflow(FAILS))
        await trio.sleep(10)
        await change(asked, job_id, queue_state=JobState.PAUSED)
        await trio.sleep(100)
        [task] = (await asked.job(job_id)).tasks
        assert (task.state, task.attempt, task.failures) == (TaskState.WAITING, 1, 1)
        await change(asked, job_id, queue_state=JobState.QUEUED)
        await trio.sleep(10)
        [task] = (await asked.job(job_id)).tasks
        assert (task.state, task.attempt) == (TaskState.COMPLETED, 2)
        assert await state(asked, job_id) is JobState.COMPLETED


async def test_a_rerun_of_a_job_that_waits_for_a_retry_waits_for_nothing(
    memory_store, autojump_clock
):
    async with instance(memory_store, work=0) as asked, instance(memory_store):
        original = await asked.submit(workflow(("bad", "core.fail", {"retry": {"delay": 30}})))
        await trio.sleep(10)
        new = await memory_store.rerun(original, [], asked.now())
        assert await state(asked, original) is JobState.BROKEN
        assert await state(asked, new) is JobState.QUEUED
        await trio.sleep(10)
        assert await state(asked, new) is JobState.STARTED


async def test_a_rerun_waits_for_a_dead_instance_until_it_is_declared_dead(
    memory_store, autojump_clock, note
):
    import uuid

    actions, _ = note
    dead = await memory_store.join("dead", None)
    async with instance(memory_store, actions=actions, work=0) as asked:
        original = await asked.submit(workflow(("only", "test.note")))
        await trio.sleep(1)
        names = ["test.note"]
        await memory_store.claim(dead, "work", names, 1, uuid.uuid4(), asked.now())
        new = await memory_store.rerun(original, [], asked.now())
        await trio.sleep(10)
        assert await state(asked, new) is JobState.PENDING
        await trio.sleep(10)
        assert await state(asked, new) is JobState.STARTED
