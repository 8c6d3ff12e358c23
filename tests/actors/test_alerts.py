"""What people should look at reaches the installation's webhooks, on virtual time."""

import json
import logging
from functools import partial
from itertools import pairwise
from uuid import uuid4

import httpx
import pytest
import trio

from taskengine.actors import alerter
from taskengine.alerts import AlertReceivers, AlertsSettings
from taskengine.model import PermanentFailure
from taskengine.store.memory import MemoryStore
from taskengine.testing import virtual
from taskengine.testing.times import NOON
from taskengine.testing.virtual import actions_with, instance, receiver, workflow

CHAT = "https://chat.example/hooks/secret-token"
FLOW = workflow(("only", "test.broken"), name="film")


async def broken(context):
    raise PermanentFailure("there is no film")


@pytest.fixture
def heard():
    """Requests to the webhook, each with its time."""
    return []


@pytest.fixture
def webhook(heard, monkeypatch):
    """The statuses that it answers first."""
    answers = []

    def answer(request):
        return httpx.Response(answers.pop(0) if answers else 200)

    receivers = AlertReceivers([CHAT], receiver(heard, answer))
    monkeypatch.setattr(virtual, "Resources", partial(virtual.Resources, alerts=receivers))
    return answers


def messages(heard):
    return [json.loads(request.content) for _, request in heard]


async def run_jobs(number, seconds=60, **more):
    async with instance(MemoryStore(), actions=actions_with(broken=broken), **more) as engine:
        ids = [await engine.submit(FLOW) for _ in range(number)]
        await trio.sleep(seconds)
    return ids


async def test_a_failed_job_is_told_of(autojump_clock, webhook, heard):
    [job] = await run_jobs(1)
    [message] = messages(heard)
    assert message["text"] == f"job {job} has failed: workflow film of client acme"
    assert message["alerts"] == [
        {
            "kind": "job_failed",
            "text": message["text"],
            "job": job,
            "workflow": "film",
            "client": "acme",
        }
    ]
    assert (message["instance"], message["time"][:10]) == ("test", "2031-02-01")


async def test_what_happens_at_once_is_told_together(autojump_clock, webhook, heard):
    ids = await run_jobs(60)
    told = [one for message in messages(heard) for one in message["alerts"]]
    assert sorted(one["job"] for one in told) == ids
    times = [time for time, _ in heard]
    assert all(after - before >= alerter.PAUSE for before, after in pairwise(times))
    longest = max(messages(heard), key=lambda message: len(message["alerts"]))
    lines = longest["text"].split("\n")
    assert len(lines) == alerter.SHOWN + 1
    assert lines[-1] == f"and {len(longest['alerts']) - alerter.SHOWN} more"


async def test_callbacks_that_are_given_up_are_told_of(autojump_clock, webhook, heard):
    gone = receiver([], lambda request: httpx.Response(410))
    async with instance(MemoryStore(), http=gone) as engine:
        job = await engine.submit(workflow("only"), urls=["http://hooks.example/here"])
        await trio.sleep(60)
    [alert] = messages(heard)[0]["alerts"]
    assert (alert["kind"], alert["job"]) == ("callbacks_given_up", job)


async def test_an_instance_that_dies_is_told_of(autojump_clock, webhook, heard):
    store = MemoryStore()
    process = uuid4()
    dead = await store.join("other", NOON, 15.0, process)
    await store.declare_dead(process)
    async with instance(store):
        await trio.sleep(5)
    [alert] = messages(heard)[0]["alerts"]
    assert alert["kind"] == "instance_dead"
    assert alert["text"] == f"instance {dead} was seen to die, its tasks are queued again"


async def test_a_receiver_is_tried_again(autojump_clock, webhook, heard, caplog):
    webhook += [500, 503]
    await run_jobs(1)
    assert len(heard) == alerter.TRIES
    assert "not told" not in caplog.text


async def test_one_that_cannot_be_told_shows_no_secret(autojump_clock, webhook, heard, caplog):
    webhook += [500] * alerter.TRIES
    with caplog.at_level(logging.WARNING):
        await run_jobs(1)
    assert "not told: alerts to chat.example: status 500" in caplog.text
    assert "secret" not in caplog.text


async def test_a_receiver_that_hangs_holds_up_no_stop(autojump_clock, webhook, heard):
    webhook += [500] * 1000
    began = trio.current_time()
    await run_jobs(1, seconds=0.5, drain=0)
    assert trio.current_time() - began < 7


def test_urls_are_listed_and_checked():
    listed = AlertsSettings(urls=f" {CHAT}, http://127.0.0.1:9/x")
    assert [one.get_secret_value() for one in listed.urls] == [CHAT, "http://127.0.0.1:9/x"]
    with pytest.raises(ValueError, match="expected http or https URLs"):
        AlertsSettings(urls="chat.example")
