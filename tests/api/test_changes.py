"""PUT and PATCH /job/<id>."""

from __future__ import annotations

import json

import pytest

from taskengine.model import Severity
from taskengine.testing.contract.world import done
from tests.api.changing import send, show, state

LATER = "2030-02-01T08:30:00.000"


# Updates


async def test_the_sample_of_the_contract(api, body, updated, now):
    number = await api.accepted(body())
    sample = {"client": "demo-client", "priority": "2", "run_at": "2030-09-09T14:30:00.000"}
    await updated(number, sample, "priority, run_at")
    shown = await show(api, number)
    assert (shown["priority"], shown["queue_state"]) == (2, "scheduled")
    assert shown["run_at"] == "2030-09-09T14:30:00.000Z"


async def test_the_updates_are_told_in_the_order_given(api, body, updated):
    number = await api.accepted(body())
    given = {"persist": 1, "run_at": LATER, "position": 3, "priority": 9}
    await updated(number, given, "persist, run_at, position, priority")
    job = (await api.job(number)).job
    assert (job.persist, job.position, job.priority) == (True, 3, 9)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("path", ["/job/1", "/jobs/1", "/job/1/"])
async def test_all_spellings_are_the_same_call(api, body, api_key, method, path):
    await api.accepted(body())
    answer = await send(api, method, path, {"priority": 1}, key=api_key)
    assert answer == (200, {"id": "1", "result": "Performed updates: priority"})


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("priority", "2", 2),
        ("priority", 10, 10),
        ("position", "-7", -7),
        ("top_of_queue", "TRUE", True),
        ("persist", "1", True),
        ("persist", False, False),
    ],
)
async def test_values_are_read_leniently(api, body, updated, field, value, kept):
    number = await api.accepted(body())
    await updated(number, {field: value}, field)
    assert getattr((await api.job(number)).job, field) == kept


@pytest.mark.parametrize("name", ["semaphore_url", "sempahore_url", "semphore_url"])
async def test_the_gate_is_set_and_cleared_by_any_of_its_names(api, body, updated, name):
    number = await api.accepted(body())
    await updated(number, {name: "https://gate.example.org/"}, "semaphore_url")
    assert (await show(api, number))["semaphore_url"] == "https://gate.example.org/"
    assert await state(api, number) == "scheduled"
    for nothing in (None, ""):
        await updated(number, {name: "https://gate.example.org/"}, "semaphore_url")
        await updated(number, {name: nothing}, "semaphore_url")
        assert (await show(api, number))["semaphore_url"] is None
        assert await state(api, number) == "queued"


async def test_a_gate_named_twice_is_one_update(api, body, updated):
    number = await api.accepted(body())
    both = {"semphore_url": None, "priority": 3, "semaphore_url": "https://gate.example.org/"}
    await updated(number, both, "semaphore_url, priority")
    assert (await show(api, number))["semaphore_url"] == "https://gate.example.org/"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"priority": 0}, "priority"),
        ({"priority": 11}, "priority"),
        ({"priority": True}, "priority"),
        ({"priority": [2]}, "priority"),
        ({"position": "x"}, "position"),
        ({"persist": "maybe"}, "persist"),
        ({"top_of_queue": {}}, "top_of_queue"),
        ({"run_at": "tomorrow"}, "run_at"),
        ({"semaphore_url": "ftp://x.example/"}, "semaphore_url"),
        ({"semphore_url": 7}, "semphore_url"),
        ({"queue_state": "started"}, "queue_state"),
        ({"queue_state": "completed"}, "queue_state"),
        ({"queue_state": 5}, "queue_state"),
        ({"queue_state": False}, "queue_state"),
        ({"queue_state": ["paused"]}, "queue_state"),
        ({"priority": 2, "queue_state": "nonsense"}, "queue_state"),
    ],
)
async def test_what_cannot_be_read_changes_nothing(api, body, put, given, names):
    number = await api.accepted(body())
    before = await api.job(number), await api.lines(number)
    status, content = await put(number, given)
    assert (status, list(content), content["id"]) == (400, ["id", "error"], str(number))
    assert content["error"].startswith(f"{names}: expected ")
    assert (await api.job(number), await api.lines(number)) == before


@pytest.mark.parametrize(
    "given", [{}, {"client": "demo-client"}, {"workflow": "x"}, {"priority": None, "run_at": ""}]
)
async def test_an_update_that_names_no_field_is_told_which_there_are(api, body, put, given):
    number = await api.accepted(body())
    status, content = await put(number, given)
    assert (status, content["id"]) == (400, str(number))
    assert content["error"] == (
        "expected at least one of queue_state, run_at, priority, position, top_of_queue, "
        "persist, semaphore_url"
    )


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b'{"priority": 1e999}'])
async def test_a_body_that_is_no_object_is_refused(api, body, put, raw):
    number = await api.accepted(body())
    status, content = await put(number, raw)
    assert (status, list(content)) == (400, ["id", "error"])


async def test_a_change_of_an_unknown_job_is_a_404(api, put, rerun):
    for number in (404, 10**17, 10**30):
        assert await put(number, {"priority": 1}) == (404, {"error": f"there is no job {number}"})
        assert (await rerun(number))[0] == 404
    assert (await put("x", {"priority": 1}))[0] == 400
    assert (await rerun("-1"))[0] == 400


# Who may


async def test_only_the_jobs_client_or_an_admin_may(api, body, put, rerun, updated):
    number = await api.accepted(body())
    before = await api.job(number)
    asked = {"priority": 1}
    for answer in (
        await put(number, asked, client="other"),
        await put(number, {**asked, "client": "demo-client"}, client="other"),
        await put(number, {**asked, "client": "other"}),
        await put(number, {**asked, "client": "other"}, client="root"),
        await rerun(number, client="other"),
    ):
        assert answer[0] == 403
        assert list(answer[1]) == ["error"]
    assert await api.job(number) == before
    await updated(number, asked, "priority", client="root")
    await updated(number, {**asked, "client": "demo-client"}, "priority", client="root")
    await updated(number, {**asked, "client": "demo-client"}, "priority", client=None)
    assert (await rerun(number, client="root"))[0] == 200


async def test_credentials_are_asked_for(api, body, put, rerun):
    number = await api.accepted(body())
    for headers in ({"key": None}, {"key": "wrong"}, {"client": "nobody"}):
        assert (await put(number, {"priority": 1}, **headers))[0] == 401
        assert (await rerun(number, **headers))[0] == 401
    assert (await put(number, {"priority": 1}, client="root") + ())[0] == 200
    status, content = await put(number, {"priority": 1, "client": "nobody"}, client="root")
    assert (status, content["id"]) == (400, str(number))


# The log


async def test_an_update_is_logged_as_it_came(api, body, put, api_key):
    number = await api.accepted(body())
    given = {"priority": "2", "token": "secret-of-a-client", "api-key": api_key}
    await put(number, given)
    line = (await api.lines(number))[-1]
    assert (line.progname, line.task_id, line.severity) == ("api", 0, Severity.INFO)
    told = json.loads(line.message)
    assert list(told) == ["path", "remote_addr", "headers", "parameters", "payload"]
    assert told["path"] == f"PUT /job/{number}"
    assert told["payload"] == "job_updated"
    assert told["headers"]["HTTP_API_KEY"] == "*" * 32 + api_key[-4:]
    assert told["parameters"]["priority"] == "2"
    assert told["parameters"]["token"] == "*" * 14 + "ient"
    assert api_key not in line.message


async def test_a_future_time_is_announced(api, body, put, now):
    number = await api.accepted(body())
    await put(number, {"run_at": LATER})
    told = (await api.lines(number))[-1].message
    assert told == 'Job will run at: "2030-02-01T08:30:00.000"'
    await put(number, {"run_at": "2029-01-01T00:00:00"})
    assert json.loads((await api.lines(number))[-1].message)["payload"] == "job_updated"


async def test_the_clip_rule_holds_for_updates(api, updated):
    clips = [{"start": "2030-01-02T04:00:00Z", "end": "2030-01-02T05:00:00Z"}]
    job = {"workflow": "vodcapture"}
    number = await api.accepted({"job": job, "parameters": {"clips": clips}})
    await updated(number, {"run_at": "2030-01-02T04:30:00Z"}, "run_at")
    assert (await show(api, number))["run_at"] == "2030-01-02T05:00:00.000Z"
    await updated(number, {"run_at": "2030-01-02T06:00:00Z"}, "run_at")
    assert (await show(api, number))["run_at"] == "2030-01-02T06:00:00.000Z"


async def test_whoever_is_concerned_is_woken(api, body, api_key):
    number = await api.accepted(body())
    woken = []
    watched = api.with_(changed=lambda: woken.append(1))
    await send(watched, "PUT", f"/job/{number}", {"priority": 99}, key=api_key)
    assert woken == []
    await send(watched, "PUT", f"/job/{number}", {"priority": 9}, key=api_key)
    await send(watched, "POST", f"/jobs/{number}/rerun", key=api_key)
    assert woken == [1, 1]


# States


@pytest.mark.parametrize("asked", ["paused", "PAUSED", " Paused ", 6, "6"])
async def test_a_queued_job_is_paused_and_resumed(api, body, updated, asked):
    number = await api.accepted(body())
    await updated(number, {"queue_state": asked}, "queue_state")
    assert await state(api, number) == "paused"
    await updated(number, {"queue_state": 0}, "queue_state")
    assert await state(api, number) == "queued"


async def test_a_scheduled_job_is_paused_resumed_and_run_now(api, body, updated):
    number = await api.accepted(body(job={"run_at": LATER}))
    for asked, reached in (("paused", "paused"), ("queued", "scheduled"), ("queued", "queued")):
        await updated(number, {"queue_state": asked}, "queue_state")
        assert await state(api, number) == reached


async def test_a_started_job_is_paused_resumed_and_completes(api, body, updated, put, world, now):
    number = await api.accepted(body())
    await world.admit(now)
    [attempt] = await world.claim(now=now)
    for asked in ("run_at", "semaphore_url"):
        assert (await put(number, {asked: None if asked != "run_at" else LATER}))[0] == 400
    assert (await put(number, {"queue_state": "queued"}))[0] == 400
    await updated(number, {"queue_state": "paused", "priority": 1}, "queue_state, priority")
    await world.record(done(attempt, now))
    assert await world.states(number) == ["paused", "completed", "waiting"]
    await updated(number, {"queue_state": "queued"}, "queue_state")
    await world.admit(now)
    await world.record(done((await world.claim())[0]))
    assert await state(api, number) == "completed"


@pytest.mark.parametrize("asked", ["broken", "Broken", 4, "4"])
async def test_a_started_job_is_stopped(api, body, updated, put, world, now, asked):
    number = await api.accepted(body(rest_endpoints=["https://a.example/"]))
    await world.admit(now)
    [attempt] = await world.claim(now=now)
    await updated(number, {"queue_state": asked}, "queue_state")
    assert await world.states(number) == ["broken", "working", "cancelled"]
    assert (await api.store.beat(world.instance)).unwanted == {attempt.fence}
    for final in ("queued", "paused", "broken"):
        status, content = await put(number, {"queue_state": final})
        assert status == 400
        assert content["error"] == "the job is broken: it cannot be changed any more"
    [lane] = await world.lanes(now)
    assert [json.loads(one.body)["message"] for one in lane.callbacks] == ["the job was stopped"]


@pytest.mark.parametrize("job", [{}, {"run_at": LATER}])
async def test_what_waits_is_stopped(api, body, updated, job):
    number = await api.accepted(body(job=job))
    await updated(number, {"queue_state": "broken"}, "queue_state")
    assert await state(api, number) == "broken"
