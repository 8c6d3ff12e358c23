"""A26 and A27: how callbacks are delivered, and what the job callback says of a failure."""

from __future__ import annotations

import json

import httpx
import pytest
import trio

from taskengine.messages import Topic
from taskengine.model import JobState
from taskengine.testing.virtual import instance, receiver, workflow

URL = "http://a.test/hook"


def answering(heard, *answers):
    """A receiver that gives these answers, then 200; each is a status or a response."""
    given = list(answers)

    def answer(request):
        one = given.pop(0) if given else 200
        return one if isinstance(one, httpx.Response) else httpx.Response(one)

    return receiver(heard, answer)


def times(heard):
    return [round(time, 1) for time, _ in heard]


def bodies(heard):
    return [json.loads(request.content) for _, request in heard]


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_2xx_is_delivered(memory_store, autojump_clock, status):
    heard = []
    async with instance(memory_store, http=answering(heard, *[status] * 3)) as engine:
        await engine.submit(workflow("only"), urls=[URL])
        await trio.sleep(60)
    assert times(heard) == [0, 0, 0]


@pytest.mark.parametrize("status", [301, 302, 400, 404, 429, 500, 503])
async def test_other_answers_are_failures_that_are_tried_again(
    memory_store, autojump_clock, status
):
    """After about 5 s; `webhook-id` stays, and what comes later waits."""
    heard = []
    async with instance(memory_store, http=answering(heard, status)) as engine:
        await engine.submit(workflow("only"), urls=[URL])
        await trio.sleep(60)
    assert len(heard) == 4
    assert 4 <= times(heard)[1] <= 6
    ids = [request.headers["webhook-id"] for _, request in heard]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    sent = [int(request.headers["webhook-timestamp"]) for _, request in heard]
    assert 4 <= sent[1] - sent[0] <= 6


async def test_retry_after_is_honoured(memory_store, autojump_clock):
    heard = []
    busy = httpx.Response(503, headers={"Retry-After": "100"})
    async with instance(memory_store, http=answering(heard, busy)) as engine:
        await engine.submit(workflow("only"), urls=[URL])
        await trio.sleep(300)
    assert times(heard)[:2] == [0, 100]
    assert len(heard) == 4


async def test_410_stops_that_url_for_that_job(memory_store, autojump_clock):
    heard = []

    def answer(request):
        return httpx.Response(410 if request.url.host == "gone.test" else 200)

    async with instance(memory_store, http=receiver(heard, answer)) as engine:
        for _ in range(2):
            await engine.submit(workflow("only"), urls=["http://gone.test/", URL])
            await trio.sleep(1)
        await trio.sleep(100)
    hosts = [request.url.host for _, request in heard]
    assert (hosts.count("gone.test"), hosts.count("a.test")) == (2, 6)


async def test_a_receiver_has_15_seconds(memory_store, autojump_clock):
    heard, given_up = [], []

    async def silent(request):
        heard.append((trio.current_time(), request))
        try:
            await trio.sleep(100)
        finally:
            given_up.append(trio.current_time())

    http = httpx.AsyncClient(transport=httpx.MockTransport(silent))
    async with instance(memory_store, http=http) as engine:
        await engine.submit(workflow("only"), urls=[URL])
        await trio.sleep(17)
    assert given_up[:1] == [15]


async def test_a_failed_job_says_why(memory_store, autojump_clock):
    heard = []
    flow = workflow(
        ("bad", "core.fail", {"with": {"message": "no such film"}, "retry": {"limit": 2}})
    )
    async with instance(memory_store, http=receiver(heard)) as engine:
        await engine.submit(flow, urls=[URL])
        await trio.sleep(60)
    told = bodies(heard)
    # `start` for the first attempt only, `fail` for the final one
    assert [one.get("event", one.get("status")) for one in told] == ["start", "fail", "failed"]
    assert all("no such film" in one["message"] for one in told[1:])
    assert told[2]["custom_data"] is None


async def test_a_job_broken_after_its_admission_says_so_to_its_receivers(
    memory_store, autojump_clock
):
    heard = []
    flow = workflow(("long", "core.sleep", {"with": {"seconds": 50}}))
    async with instance(memory_store, http=receiver(heard)) as engine:
        number = await engine.submit(flow, urls=[URL])
        await trio.sleep(5)
        asked = {"queue_state": JobState.BROKEN}
        await memory_store.change(number, asked, [], engine.now())
        engine.engine.mailboxes.announce(Topic.STOP)
        await trio.sleep(60)
    told = bodies(heard)
    assert (told[-1]["status"], bool(told[-1]["message"])) == ("failed", True)


async def test_one_slow_url_delays_no_other(memory_store, autojump_clock):
    heard = []

    async def answer(request):
        if request.url.host == "slow.test":
            await trio.sleep(14)
        heard.append((trio.current_time(), request))
        return httpx.Response(200)

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    async with instance(memory_store, http=http) as engine:
        await engine.submit(workflow("only"), urls=["http://slow.test/", URL])
        await trio.sleep(60)
    assert [time for time, request in heard if request.url.host == "a.test"] == [0, 0, 0]
    slow = [time for time, request in heard if request.url.host == "slow.test"]
    assert [round(time) for time in slow] == [14, 28, 42]
