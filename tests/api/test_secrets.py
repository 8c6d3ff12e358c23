"""A8: secrets are masked in every read, log and answer, always."""

from __future__ import annotations

import json

import pytest
import trio

from taskengine.model import Began, JobState
from taskengine.testing.contract.world import failed
from taskengine.testing.virtual import actions_with, instance, receiver, workflow
from tests.api.conftest import KEY, Integrator, job_body
from tests.api.described import BUILT_IN
from tests.api.test_events import reading

SECRET = "5ec7e75ec7e75ec7e75ec7e75ec7e7ff"
NAMES = ["content_key", "key_id", "seed", "playready_key", "token"]  # the last by the workflow
SECRETS = dict.fromkeys(NAMES, SECRET)
PLACES = {
    "themselves": SECRETS,
    "in an object": {"extra": SECRETS},
    "in arrays": {"extra": [{name: [SECRET]} for name in NAMES]},
    "as objects": {"extra": {name: {"any": SECRET} for name in NAMES}},
    "in capitals": {"extra": {name.upper(): SECRET for name in NAMES}},
}


async def texts(client, number):
    """All that can be read of a job."""
    paths = ["/jobs/{}", "/logs/{}?show_all=1", "/jobs/{}/explain", "/jobs?job_ids={}"]
    paths += ["/jobs/{}/callbacks", "/dashboard"]
    answers = [await client.api.get(path.format(number)) for path in paths]
    assert [answer.status_code for answer in answers] == [200] * len(paths)
    return "".join([await answer.get_data(as_text=True) for answer in answers])


@pytest.mark.parametrize("place", PLACES)
async def test_a_secret_is_in_no_read_of_a_job(client, place):
    status, answer = await client.send("POST", "/job", job_body(**PLACES[place]))
    assert status == 200
    told = await texts(client, answer["id"])
    assert SECRET not in told
    assert told.count(f"*{SECRET[-4:]}") == 2 * len(NAMES)  # in its parameters, in its first line


@pytest.mark.parametrize(
    "bad", [{"job": {"priority": 99}}, {"folder": None}, {"enable_drm": "perhaps"}]
)
async def test_a_secret_is_in_no_read_of_a_refused_job(client, bad):
    status, answer = await client.send("POST", "/job", job_body(**SECRETS, **bad))
    assert status == 400
    assert SECRET not in answer["error"] + await texts(client, answer["id"])


@pytest.mark.parametrize("value", [SECRET, [SECRET], {"x": SECRET}, [[SECRET]], 77777777777777])
async def test_a_secret_that_cannot_be_used_is_not_in_the_error(client, api, value):
    strict = Integrator(api.with_(library=lambda: BUILT_IN))
    parameters = {"content_id": "c", "source_folder": "f", **dict.fromkeys(NAMES[:4], value)}
    for flow in ("vodstream", "drmswitch"):
        content = {"job": {"workflow": flow}, "parameters": parameters}
        _, answer = await strict.send("POST", "/job", content)
        told = json.dumps(answer) + await texts(strict, answer["id"])
        assert SECRET not in told
        assert "77777" not in told


async def test_a_secret_number_that_no_database_holds_is_not_in_the_error(client):
    number = "12345678901234567890123456789012"
    raw = json.dumps(job_body(key_id="KEY")).replace('"KEY"', number).encode()
    status, answer = await client.send("POST", "/job", raw)
    assert status == 400
    assert "key_id" in answer["error"]
    assert number not in answer["error"] + await texts(client, answer["id"])


async def test_a_secret_is_in_no_answer_to_batches_and_repeated_submissions(client):
    sent = job_body(token=SECRET, job={"priority": 0})
    for _ in range(2):
        headers = {"idempotency_key": "k"}
        _, answer = await client.send("POST", "/job", sent, **headers)
        assert SECRET not in json.dumps(answer)
    _, answers = await client.send("POST", "/jobs/batch", [sent, job_body(token=SECRET)])
    assert SECRET not in json.dumps(answers)
    for one in answers:
        assert SECRET not in await texts(client, one["id"])


async def test_a_secret_is_in_no_event_and_no_log_of_callbacks(client, world, now, autojump_clock):
    async with reading(client.api) as stream:
        sent = job_body(**SECRETS, rest_endpoints=["http://a.test/"])
        _, answer = await client.send("POST", "/job", sent)
        told = [await stream.job()]
        await world.admit(now)
        [attempt] = await world.claim(now=now)
        await world.record(Began(attempt.fence, now), failed(attempt, when=now))
        await world.deliver(*await world.lanes(now), now=now)
        told += [await stream.job()]
    callbacks = await (await client.api.get(f"/jobs/{answer['id']}/callbacks")).get_json()
    assert [one["event"] for one in callbacks] == ["start", "fail", "end"]
    assert SECRET not in json.dumps([told, callbacks]) + await texts(client, answer["id"])


async def test_a_secret_is_in_no_line_of_updates_and_reruns(client, world, now):
    number = await client.submitted()
    body = {"priority": 2, "content_key": SECRET, "token": SECRET, "api-key": KEY}
    assert (await client.send("PUT", f"/job/{number}", body))[0] == 200
    status, answer = await client.send("POST", f"/jobs/{number}/rerun", body)
    assert status == 200
    told = await texts(client, number) + await texts(client, answer["id"])
    assert SECRET not in told
    assert KEY not in told


async def test_the_clients_key_is_in_no_log(client):
    sent = {**job_body(), "api-key": KEY, "api_key": KEY}
    _, answer = await client.send("POST", "/job", sent, cookie=f"k={KEY}", authorization=KEY)
    assert KEY not in await texts(client, answer["id"])


async def test_a_failing_task_tells_its_receivers_no_secret(memory_store, autojump_clock):
    heard = []

    async def leak(context, *, key: str):
        await context.progress(0.5)
        raise RuntimeError(f"wrong key {key}")

    more = {"with": {"key": "{{ content_key }}"}, "retry": {"limit": 1, "delay": 1}}
    flow = workflow(("leak", "test.leak", more))
    async with instance(
        memory_store, actions=actions_with(leak=leak), http=receiver(heard)
    ) as engine:
        number = await engine.submit(flow, {"content_key": SECRET}, urls=["http://a.test/"])
        await trio.sleep(10)
        details = await engine.job(number)
        lines = await engine.lines(number)
    assert (details.job.state, details.job.failed) == (JobState.COMPLETED, True)
    bodies = [json.loads(request.content) for _, request in heard]
    assert [one.get("event", one.get("status")) for one in bodies] == ["start", "fail", "failed"]
    assert all("wrong key ********" in one["message"] for one in bodies[1:])
    assert SECRET not in json.dumps(bodies) + repr(lines) + repr(details.tasks)
