"""How attempts end, without mail: an attempt and an environment in, an end out."""

from dataclasses import replace
from datetime import timedelta

import pytest

from taskengine.actors.attempt import PROBATION_DELAY, AttemptEnvironment, run_attempt
from taskengine.actors.definitions import Definitions
from taskengine.actors.instance_state import InstanceState
from taskengine.actors.recent_settings import RecentSettings
from taskengine.model import Fence, Outcome, PermanentFailure, Severity
from taskengine.policy import MAX_RESCUES
from taskengine.runtime.clock import virtual_clock
from taskengine.store.completion import BUG_MET, LOST
from taskengine.testing.contract.world import World
from taskengine.testing.times import NOON
from taskengine.testing.virtual import ACTIONS, actions_with, virtual_environment
from taskengine.workflows.workflow import Workflow

OTHER = Fence(7, 7, 7)


class Lines(list):
    """A report that keeps what is written."""

    async def begin(self):
        self.append("begun")

    async def tell(self, severity, message):
        self.append((severity.name, message))

    write = tell

    async def report(self, fraction):
        self.append(fraction)

    def clean(self, text):
        return text.replace("hunter2", "***")

    def close(self):
        self.append("closed")


class Setting:
    """A store with one claimed attempt, and the environment to run it in."""

    def __init__(self, store, attempt, lines, **fields):
        self.attempt, self.lines = attempt, lines
        self.environment = AttemptEnvironment(
            store=store,
            definitions=Definitions(store),
            settings=RecentSettings(store),
            now=virtual_clock(NOON),
            open_report=lambda *_: lines,
            **fields,
        )

    async def run(self, **task):
        attempt = replace(self.attempt, task=replace(self.attempt.task, **task))
        return await run_attempt(attempt, self.environment)


@pytest.fixture
def setting(memory_store, world):
    async def setting(function=None, **task):
        action = "test.own" if function else "core.noop"
        content = {"workflow": "demo", "tasks": [{"name": "only", "action": "core.noop", **task}]}
        flow = Workflow.from_content(content)
        await world.start(flow.definition)
        [attempt] = await world.claim(1)
        attempt = replace(attempt, task=replace(attempt.task, action=action))
        actions = actions_with(own=function) if function else ACTIONS
        state = InstanceState(world.instance)
        fields = {"actions": actions, "of_actions": virtual_environment(), "state": state}
        return Setting(memory_store, attempt, Lines(), **fields)

    return setting


@pytest.fixture
async def world(memory_store):
    return await World(memory_store).settle()


async def test_a_result_completes_it(setting, autojump_clock):
    async def own(context):
        await context.info("at work")
        await context.progress(0.5)
        return {"files": 3}

    attempt = await setting(own)
    end = await attempt.run()
    assert (end.fence, end.outcome, end.result) == (
        attempt.attempt.fence,
        Outcome.COMPLETED,
        '{"files":3}',
    )
    assert attempt.lines[1:] == [
        ("INFO", "Task 'only' started"),
        "begun",
        ("INFO", "at work"),
        0.5,
        ("INFO", "'only' completed successfully"),
        "closed",
    ]


async def test_a_false_condition_skips_it(setting, autojump_clock):
    attempt = await setting(when="{{ false }}")
    assert (await attempt.run()).outcome is Outcome.SKIPPED
    assert attempt.lines == [("DEBUG", "'only' skipped: its condition is false"), "closed"]


async def test_a_failure_is_tried_again_after_the_delay_of_its_task(setting, autojump_clock):
    async def own(context):
        raise RuntimeError("hunter2")

    attempt = await setting(own, retry={"limit": 2, "delay": 30})
    end = await attempt.run()
    assert (end.outcome, end.error) == (Outcome.RETRY, "RuntimeError: ***")
    assert end.due_at == end.at + timedelta(seconds=30)
    assert (await attempt.run(failures=2)).outcome is Outcome.FAILED


async def test_a_permanent_failure_is_not(setting, autojump_clock):
    async def own(context):
        raise PermanentFailure("no such film")

    attempt = await setting(own, retry={"limit": 2})
    end = await attempt.run()
    assert (end.outcome, end.error) == (Outcome.FAILED, "no such film")
    assert attempt.lines[-2] == ("ERROR", "'only' failed: no such film")


async def test_an_attempt_is_lost_once_another_one_may_run(setting, autojump_clock):
    async def own(context):
        await context.confirm()

    attempt = await setting(own)
    stale = replace(attempt.attempt.fence, attempt=2)
    attempt.attempt = replace(
        attempt.attempt, task=replace(attempt.attempt.task, attempt=stale.attempt)
    )
    end = await attempt.run()
    assert (end.outcome, end.fate) == (Outcome.LOST, LOST + "another attempt of the task may run")


async def test_two_on_their_last_chance_do_not_run_side_by_side(setting, autojump_clock):
    attempt = await setting()
    with attempt.environment.state.probation(OTHER):
        end = await attempt.run(rescues=MAX_RESCUES)
    assert end.outcome is Outcome.RELEASED
    assert end.due_at == NOON + timedelta(seconds=PROBATION_DELAY)
    assert (await attempt.run(rescues=MAX_RESCUES)).outcome is Outcome.COMPLETED
    assert attempt.lines[1][0] == Severity.WARN.name


async def test_a_definition_that_is_gone_fails_it(setting, autojump_clock):
    attempt = await setting()
    job = replace(attempt.attempt.job, digest="gone")
    attempt.attempt = replace(attempt.attempt, job=job)
    end = await attempt.run()
    assert end.outcome is Outcome.FAILED
    assert end.error.startswith("the job's definition cannot be used: ")


async def test_an_error_of_the_engine_counts_as_lost(setting, autojump_clock):
    attempt = await setting()
    attempt.environment = replace(attempt.environment, open_report=None)
    end = await attempt.run()
    assert (end.outcome, end.fate) == (Outcome.LOST, BUG_MET)
    assert end.error == "TypeError: 'NoneType' object is not callable"
