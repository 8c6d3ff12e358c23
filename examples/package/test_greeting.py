"""The action by itself, and in an engine on virtual time: docs/testing.md tells how."""

import json

import pytest
import trio
from greeting import greet

from taskengine.model import PermanentFailure
from taskengine.testing import (
    MemoryStore,
    actions_with,
    fake_context,
    instance,
    receiver,
    workflow,
)


async def test_a_greeting_is_logged_and_returned(tmp_path):
    context, journal = fake_context(tmp_path)
    assert await greet(context, name="Zoë") == {"greeting": "Hello Zoë"}
    assert journal.shown == ["Hello Zoë"]


async def test_a_blank_name_fails_for_good(tmp_path):
    context, _ = fake_context(tmp_path)
    with pytest.raises(PermanentFailure, match="name: expected a name"):
        await greet(context, name=" ")


async def test_a_failed_task_is_tried_again_and_its_end_is_told(autojump_clock):
    tries, heard = [], []

    async def flaky(context, *, limit: int):
        tries.append(context.attempt.task.attempt)
        if len(tries) < limit:
            raise RuntimeError("not yet")

    flow = workflow(("only", "test.flaky", {"with": {"limit": 2}}))
    store = MemoryStore()
    async with instance(store, actions=actions_with(flaky=flaky), http=receiver(heard)) as engine:
        job_id = await engine.submit(flow, urls=["http://a.test/hook"])
        await trio.sleep(600)
        assert (await engine.job(job_id)).job.state.label == "completed"
    assert tries == [1, 2]
    assert json.loads(heard[-1][1].content)["status"] == "completed"
