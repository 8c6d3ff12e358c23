"""Secrets of the configuration: a workflow file names them, and nobody reads them."""

from __future__ import annotations

import json

import pytest
import trio

from taskengine.model import JobState
from taskengine.testing.virtual import ACTIONS, actions_with, instance, receiver, workflow
from taskengine.workflows.checks import meaning_problems

TOKEN = "t0ken-of-the-uploads"
SECRETS = {"TOKEN": TOKEN}


async def test_an_action_gets_a_secret_and_nothing_tells_of_it(memory_store, autojump_clock):
    heard, got = [], []

    async def use(context, *, headers: dict[str, str]):
        got.append(headers)
        await context.info(f"sending {headers}")
        return {"echo": [headers], "url": f"http://u:{TOKEN}@a.test"}

    async def leak(context, *, key: str):
        raise RuntimeError(f"wrong key {key}")

    flow = workflow(
        ("use", "test.use", {"with": {"headers": {"X-Auth": "Bearer {{ secrets.TOKEN }}"}}}),
        ("leak", "test.leak", {"with": {"key": "{{ secrets.TOKEN }}"}, "retry": {"limit": 0}}),
        callback={"message": "{{ tasks.use.echo }}"},
    )
    actions = actions_with(use=use, leak=leak)
    async with instance(
        memory_store, actions=actions, http=receiver(heard), secrets=SECRETS
    ) as engine:
        number = await engine.submit(flow, {}, urls=["http://a.test/"])
        await trio.sleep(10)
        details, lines = await engine.job(number), await engine.lines(number)
    assert (details.job.state, details.job.failed) == (JobState.COMPLETED, True)
    assert got == [{"X-Auth": f"Bearer {TOKEN}"}]
    assert details.tasks[0].result["echo"] == [{"X-Auth": "Bearer ********"}]
    bodies = [json.loads(request.content) for _, request in heard]
    assert TOKEN not in repr(details) + repr(lines) + json.dumps(bodies)


async def test_a_secret_that_is_not_there_fails_the_task(memory_store, autojump_clock):
    flow = workflow(("wait", "core.sleep", {"with": {"seconds": "{{ secrets.MISSING }}"}}))
    async with instance(memory_store, secrets=SECRETS) as engine:
        number = await engine.submit(flow)
        await trio.sleep(100)
        details = await engine.job(number)
    assert details.job.failed
    assert "secrets.MISSING" in details.tasks[0].error
    assert "'MISSING' is undefined" in details.tasks[0].error


@pytest.mark.parametrize(
    ("place", "known"),
    [
        ({"tasks": [{"with": {"seconds": "{{ secrets.TOKEN }}"}}]}, True),
        ({"tasks": [{"when": "{{ secrets.TOKEN == 'x' }}"}]}, False),
        ({"callback": {"message": "{{ secrets.TOKEN }}"}}, False),
        ({"parameters": {"properties": {"a": {"default": "{{ secrets.TOKEN }}"}}}}, False),
        ({"parameters": {"properties": {"secrets": {}}}}, False),
    ],
)
def test_secrets_are_for_the_arguments_of_tasks_alone(place, known):
    task = {"name": "one", "action": "core.sleep", "with": {"seconds": 1}}
    [more] = place.get("tasks", [{}])
    content = {"workflow": "flow", **place, "tasks": [{**task, **more}]}
    assert (list(meaning_problems(content, ACTIONS)) == []) is known
