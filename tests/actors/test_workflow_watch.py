"""Instances with different workflow files are told, on virtual time."""

import pytest
import trio

from taskengine.actors.instance_state import InstanceState
from taskengine.actors.workflow_watch import WorkflowWatch
from tests.conftest import NOON


@pytest.fixture
async def pair(memory_store):
    """The number of this instance, and that of another one."""
    return [await memory_store.join(name, NOON) for name in ("one", "two")]


@pytest.fixture
def told(caplog):
    caplog.set_level("INFO", "taskengine.actors.workflow_watch")
    return lambda: [(one.levelname, one.getMessage()[:35]) for one in caplog.records]


async def run(watch, seconds):
    with trio.move_on_after(seconds):
        await watch.run()


async def test_what_an_instance_has_is_said_again_after_a_reload_and_a_new_join(
    memory_store, autojump_clock, pair
):
    state, files = InstanceState(pair[0], 15.0), ["first"]
    watch = WorkflowWatch(memory_store, state, lambda: files[-1])
    await run(watch, 1)
    files.append("second")
    await run(watch, 1)
    assert (await memory_store.instances())[0].workflows == "second"
    state.instance = pair[1]
    await run(watch, 1)
    assert (await memory_store.instances())[1].workflows == "second"


async def test_files_that_differ_for_a_while_are_warned_of_once(
    memory_store, autojump_clock, pair, told
):
    watch = WorkflowWatch(memory_store, InstanceState(pair[0], 15.0), lambda: "own")
    await run(watch, 100)
    assert told() == []  # the other one has not said what it has
    await memory_store.put_workflows(pair[1], "other")
    await run(watch, 1)
    assert told() == []
    await run(watch, 200)
    warned = ("WARNING", "the workflow files of two are other")
    assert told() == [warned]
    await memory_store.put_workflows(pair[1], "own")
    await run(watch, 1)
    assert told() == [warned, ("INFO", "all instances have the same workflo")]
