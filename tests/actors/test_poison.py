"""Whatever an action raises, returns or leaves behind is one failed attempt with a sentence
(rule 30), and nobody else notices. By virtual times."""

import uuid
from contextlib import suppress

import pytest
import trio

from taskengine.actors import results, telling
from taskengine.actors.failures import describe
from taskengine.actors.instance_state import Stopped
from taskengine.model import TaskState
from taskengine.policy import MAX_RESCUES
from taskengine.testing.virtual import actions_with, instance, submission, workflow
from tests.actors.poisons import OUTDATED, RAISED, WRONG, OddObject, TwoFaced, raising, returning
from tests.conftest import NOON

ONCE = {"retry": {"limit": 0}}


@pytest.fixture(autouse=True)
def no_threads(monkeypatch):
    """Virtual time goes on while a thread runs, however short that is."""

    async def at_once(function, size):
        await trio.lowlevel.checkpoint()
        return function()

    async def told_at_once(error):
        await trio.lowlevel.checkpoint()
        return describe(error)

    monkeypatch.setattr(results, "in_thread", at_once)
    monkeypatch.setattr(telling, "told_beside", told_at_once)


async def fate_of(store, action, caplog, **options):
    """What became of a task with this action; its neighbour and its worker are well."""
    actions = actions_with(poison=action)
    async with instance(store, actions=actions, work=2) as engine:
        slow = await engine.submit(workflow(("slow", "core.sleep", {"with": {"seconds": 5}})))
        job_id = await engine.submit(workflow(("only", "test.poison", ONCE | options)))
        await trio.sleep(2)
        later = [await engine.submit(workflow("quick")) for _ in range(3)]
        await trio.sleep(2)
        for one in later:
            assert (await engine.job(one)).job.state.label == "completed"
        await trio.sleep(10)
        [neighbour] = (await engine.job(slow)).tasks
        assert (neighbour.state.label, neighbour.attempt) == ("completed", 1)
        details = await engine.job(job_id)
        lines = await engine.lines(job_id)
    assert "crashed" not in caplog.text
    assert "Traceback" not in caplog.text
    return details, lines


@pytest.mark.parametrize("told", RAISED)
async def test_what_it_raises_is_one_failed_attempt(memory_store, autojump_clock, caplog, told):
    details, lines = await fate_of(memory_store, raising(RAISED[told]), caplog)
    [task] = details.tasks
    assert (task.state, task.attempt, task.error) == (TaskState.FAILED, 1, told)
    assert ("worker", f"'only' failed: {told}") in lines
    assert details.job.failed


@pytest.mark.parametrize("name", WRONG)
async def test_what_it_does_wrong_is_one_failed_attempt(memory_store, autojump_clock, caplog, name):
    action, told = WRONG[name]
    details, _ = await fate_of(memory_store, action, caplog)
    [task] = details.tasks
    assert (task.state, task.attempt) == (TaskState.FAILED, 1)
    assert told in task.error


async def test_what_it_raises_is_retried_as_any_error(memory_store, autojump_clock, caplog):
    action = raising(RAISED["SystemExit: 3"])
    retry = {"retry": {"limit": 2, "delay": 1}}
    details, lines = await fate_of(memory_store, action, caplog, **retry)
    [task] = details.tasks
    assert (task.state, task.attempt, task.failures) == (TaskState.FAILED, 3, 2)
    assert ("worker", "'only' failed: SystemExit: 3; retry 1 of 2 in 1 s") in lines


async def test_a_message_without_end_is_cut(memory_store, autojump_clock, caplog):
    action = raising(lambda: ValueError("x" * 100_000_000))
    details, _ = await fate_of(memory_store, action, caplog)
    [task] = details.tasks
    assert task.error.startswith("ValueError: xxx")
    assert len(task.error) < 20_000


async def test_a_result_is_what_it_was_when_it_was_returned(memory_store, autojump_clock, caplog):
    details, _ = await fate_of(memory_store, returning(TwoFaced(x=1)), caplog)
    assert details.tasks[0].result == {"x": 1}


async def test_what_the_class_of_a_result_does_is_not_asked_for(
    memory_store, autojump_clock, caplog
):
    details, _ = await fate_of(memory_store, returning(OddObject(x=[1])), caplog)
    assert details.tasks[0].result == {"x": [1]}


@pytest.mark.parametrize("name", OUTDATED)
async def test_who_always_says_that_it_is_outdated_does_not_run_for_ever(
    memory_store, autojump_clock, caplog, name
):
    details, _ = await fate_of(memory_store, raising(OUTDATED[name]), caplog)
    [task] = details.tasks
    assert (task.state, task.attempt, task.rescues) == (
        TaskState.FAILED,
        MAX_RESCUES + 1,
        MAX_RESCUES,
    )
    assert task.error.startswith(f"given up after it was lost {MAX_RESCUES + 1} times: ")


async def test_an_error_of_the_worker_itself_is_counted(
    memory_store, autojump_clock, caplog, monkeypatch
):
    def broken(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr("taskengine.actors.attempt.retry_at", broken)
    action = raising(RAISED["SystemExit: 3"])
    details, _ = await fate_of(memory_store, action, caplog, retry={"limit": 1})
    [task] = details.tasks
    assert (task.state, task.rescues) == (TaskState.FAILED, MAX_RESCUES)
    assert task.error == f"given up after it was lost {MAX_RESCUES + 1} times: RuntimeError: a bug"


async def stubborn(context):
    """It swallows its cancellation, and ends in a way of its own."""
    with suppress(trio.Cancelled):
        await trio.sleep_forever()
    raise SystemExit(1)


async def deaf(context):
    """It swallows its cancellation, and says that all is well."""
    try:
        await trio.sleep_forever()
    except trio.Cancelled:
        return {}


@pytest.mark.parametrize("action", [stubborn, deaf])
@pytest.mark.parametrize(
    ("why", "state"), [(Stopped.UNWANTED, "cancelled"), (Stopped.STALE, "working")]
)
async def test_a_cancellation_passes_whatever_the_action_makes_of_it(
    memory_store, autojump_clock, caplog, action, why, state
):
    async with instance(memory_store, actions=actions_with(own=action)) as engine:
        job_id = await engine.submit(workflow(("only", "test.own")))
        await trio.sleep(1)
        engine.engine.state.stop(list(engine.engine.state.running), why)
        await trio.sleep(1)
        [task] = (await engine.job(job_id)).tasks
        assert task.state.label == ("queued" if why is None else state)
        assert not engine.engine.state.running
    assert "crashed" not in caplog.text
    assert ("SystemExit: 1" in caplog.text) is (action is stubborn)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("action", [stubborn, deaf])
async def test_at_the_end_of_a_drain_it_is_handed_back_and_not_counted(
    memory_store, autojump_clock, caplog, action
):
    async with instance(memory_store, actions=actions_with(own=action), drain=2) as engine:
        job_id = await engine.submit(workflow(("only", "test.own")))
        await trio.sleep(1)
    [task] = (await memory_store.job(job_id)).tasks
    assert (task.state.label, task.failures, task.rescues) == ("queued", 0, 0)


async def test_who_stops_a_child_by_a_break_leaves_no_line(memory_store, autojump_clock, caplog):
    """Nothing failed: the group that ends a nursery has no error in it."""

    async def waits(context):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(trio.sleep_forever)

    async with instance(memory_store, actions=actions_with(waits=waits)) as engine:
        await engine.submit(workflow(("only", "test.waits")))
        await trio.sleep(1)
        engine.engine.state.stop(list(engine.engine.state.running), Stopped.UNWANTED)
        await trio.sleep(1)
    assert caplog.records == []


@pytest.mark.parametrize("falls", [True, False])
async def test_what_a_falling_engine_ran_counts_as_lost(memory_store, autojump_clock, falls):
    """One of its attempts may be the reason. One that is told to stop hands back as ever."""
    flow = workflow(("only", "core.sleep", {"with": {"seconds": 100}}))
    try:
        async with instance(memory_store, drain=1) as engine:
            job_id = await engine.submit(flow)
            await trio.sleep(1)
            if falls:
                raise RuntimeError("it falls")
    except* RuntimeError:
        assert falls
    [task] = (await memory_store.job(job_id)).tasks
    assert (task.state.label, task.attempt, task.rescues) == ("queued", 1, int(falls))


async def lose_often(store, now):
    """Whatever is queued is lost with one host after the other, as often as it may be."""
    for _ in range(MAX_RESCUES):
        host = await store.join("mortal", now)
        await store.claim(host, "work", ["test.deadly", "core.sleep"], 9, uuid.uuid4(), now)
        await store.leave(host, now, fallen=True)


async def test_who_was_lost_with_a_killer_does_not_fail_with_it(memory_store, autojump_clock):
    """Lost five times together, they run one after the other: a killer loses itself alone."""
    deaths = []

    async def deadly(context):
        """Its host dies: peers declare the instance dead."""
        store, state = memory_store, engine.engine.state
        deaths.append([one.task_id for one in state.running])
        await store.rescue(state.instance, (await store.beats())[state.instance], engine.now())
        await trio.sleep_forever()

    actions = actions_with(deadly=deadly)
    flows = [
        workflow(("a", "core.sleep", {"with": {"seconds": 60}})),
        workflow(("b", "test.deadly")),
    ]
    await memory_store.put_setting("", "max_jobs", "10")
    batch = [submission(flow) for flow in (flows[0], flows[1], flows[0])]
    first, killer, last = await memory_store.submit(batch, NOON)
    host = await memory_store.join("first", NOON)
    await memory_store.admit(host, NOON)
    await memory_store.leave(host, NOON)
    await lose_often(memory_store, NOON)
    async with instance(memory_store, actions=actions, work=4) as engine:
        await trio.sleep(300)
        tasks = [(await engine.job(one)).tasks[0] for one in (first, killer, last)]
    assert [task.state.label for task in tasks] == ["completed", "failed", "completed"]
    assert [task.rescues for task in tasks] == [MAX_RESCUES] * 3
    assert tasks[1].error == f"given up after {MAX_RESCUES + 1} hosts died while running it"
    assert deaths == [[tasks[1].id]]
