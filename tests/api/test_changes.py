"""PUT and PATCH /job/<id>, POST /jobs/<id>/rerun, and `depends_on` of submissions."""

from __future__ import annotations

import json

import pytest

from taskengine.model import JobState, Severity
from tests.contract.world import World, done, failed

LATER = "2030-02-01T08:30:00.000"


async def send(api, method, path, body=None, client="demo-client", **headers):
    key = {"client": client, "api-key": headers.pop("key", None)}
    headers = {"content-type": "application/json", **key, **headers}
    headers = {name: value for name, value in headers.items() if value is not None}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await api.request(method, path, headers=headers, data=data)
    return answer.status_code, await answer.get_json()


@pytest.fixture
def put(api, api_key):
    """An update of a job: what it is answered."""

    async def put(number, body, client="demo-client", **headers):
        headers = {"key": api_key, **headers}
        return await send(api, "PUT", f"/job/{number}", body, client, **headers)

    return put


@pytest.fixture
def updated(put):
    async def updated(number, body, names, **headers):
        answer = await put(number, body, **headers)
        assert answer == (200, {"id": str(number), "result": f"Performed updates: {names}"})

    return updated


@pytest.fixture
def rerun(api, api_key):
    async def rerun(number, client="demo-client", path="jobs", body=b"", **headers):
        headers = {"key": api_key, "content-type": None, **headers}
        return await send(api, "POST", f"/{path}/{number}/rerun", body, client, **headers)

    return rerun


@pytest.fixture
async def world(api, now):
    """The store behind the app, and an instance that works on its jobs."""
    world = World(api.store)
    world.instance = await api.store.join("one", now)
    await api.store.put_setting("", "max_jobs", "10")
    return world


async def show(api, number):
    return await (await api.get(f"/jobs/{number}")).get_json()


async def state(api, number):
    return (await show(api, number))["queue_state"]


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
    given = {"persist": 1, "run_at": LATER, "x": 1, "position": 3, "priority": 9}
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
    assert [one.body["message"] for one in lane.callbacks] == ["the job was stopped"]


@pytest.mark.parametrize("job", [{}, {"run_at": LATER}])
async def test_what_waits_is_stopped(api, body, updated, job):
    number = await api.accepted(body(job=job))
    await updated(number, {"queue_state": "broken"}, "queue_state")
    assert await state(api, number) == "broken"


# Reruns


async def test_a_rerun_is_a_new_job_with_the_same_parameters(api, body, rerun, world, now):
    number = await api.accepted(body(job={"priority": 3}, label="x"))
    await world.admit(now)
    await world.perform(number)
    assert await rerun(number) == (200, {"id": "2", "result": "accepted"})
    old, new = await show(api, number), await show(api, 2)
    assert (old["queue_state"], new["queue_state"]) == ("broken", "queued")
    assert (old["rerun_of"], new["rerun_of"]) == (None, number)
    for same in ("client", "workflow", "priority", "position", "parameters"):
        assert new[same] == old[same]
    [line] = await api.lines(2)
    told = json.loads(line.message)
    assert (told["path"], told["payload"]) == (f"POST /jobs/{number}/rerun", "job_created")
    assert (line.progname, line.task_id, told["parameters"]) == ("api", 0, {})


async def test_a_second_rerun_answers_with_the_same_id(api, body, rerun):
    number = await api.accepted(body())
    answers = [await rerun(number, path=path) for path in ("jobs", "job", "jobs")]
    assert answers == [(200, {"id": "2", "result": "accepted"})] * 3
    assert len(await api.lines(2)) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b'{"client": "demo-client"}', b"null", b"x=1"])
async def test_a_rerun_needs_no_body(api, body, rerun, content):
    number = await api.accepted(body())
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert (await rerun(number, body=content, **form))[0] == 200


async def test_the_body_of_a_rerun_may_name_the_client(api, body, rerun):
    number = await api.accepted(body())
    assert (await rerun(number, body=b'{"client": "other"}'))[0] == 403
    assert (await rerun(number, client=None, body=b'{"client": "demo-client"}'))[0] == 200


async def test_what_was_refused_or_stopped_is_not_run_again(api, body, rerun, updated):
    refused, _ = await api.refused(body(job={"priority": 99}))
    stopped = await api.accepted(body())
    await updated(stopped, {"queue_state": "broken"}, "queue_state")
    for number in (refused, stopped):
        status, content = await rerun(number)
        assert (status, list(content)) == (400, ["error"])


async def test_a_started_job_is_cancelled_first(api, body, rerun, world, now):
    number = await api.accepted(body())
    await world.admit(now)
    [attempt] = await world.claim(now=now)
    await rerun(number)
    assert (await world.states(number), await state(api, 2)) == (
        ["broken", "working", "cancelled"],
        "pending",
    )
    await world.record(failed(attempt, when=now))
    assert await state(api, 2) == "queued"


async def test_an_engine_that_stops_takes_no_rerun_but_updates(api, body, api_key):
    number = await api.accepted(body())
    stopping = api.with_(draining=lambda: True)
    status, _ = await send(stopping, "POST", f"/jobs/{number}/rerun", key=api_key)
    assert status == 503
    asked = {"queue_state": "broken"}
    status, _ = await send(stopping, "PUT", f"/job/{number}", asked, key=api_key)
    assert status == 200


# Jobs that depend on others


async def test_each_job_of_a_chain_waits_for_those_before_it(api, body, world, now):
    first = await api.accepted(body())
    second = await api.accepted(body(job={"depends_on": [first]}))
    third = await api.accepted(body(job={"depends_on": [str(second), first, f" {second} "]}))
    assert (await show(api, third))["depends_on"] == [first, second]
    for number in (first, second, third):
        assert [await state(api, one) for one in range(number + 1, 4)] == ["pending"] * (3 - number)
        assert await world.admit(now) == 1
        await world.perform(number)
        assert await state(api, number) == "completed"


async def test_a_chain_breaks_with_its_first_job(api, body, updated, world, now):
    first = await api.accepted(body())
    second = await api.accepted(body(job={"depends_on": [first]}))
    urls = ["https://a.example/", "https://b.example/"]
    third = await api.accepted(
        body(job={"depends_on": [second]}, rest_endpoints=urls, custom_data=[1])
    )
    await updated(first, {"queue_state": "broken"}, "queue_state")
    shown = await show(api, third)
    assert (shown["queue_state"], shown["failed"]) == ("broken", True)
    lanes = await world.lanes(now)
    assert [lane.url for lane in lanes] == urls
    for lane in lanes:
        assert [one.body for one in lane.callbacks] == [
            {
                "job_id": str(third),
                "status": "failed",
                "workflow": "drmswitch",
                "content_id": "c-77",
                "custom_data": [1],
                "message": f"it depends on job {second}, which did not complete",
                "time": None,
                "client": "demo-client",
            }
        ]


async def test_a_job_that_depends_on_a_broken_one_is_broken_at_once(api, body, updated):
    parent = await api.accepted(body())
    await updated(parent, {"queue_state": "broken"}, "queue_state")
    child = await api.accepted(body(job={"depends_on": [parent]}))
    assert await state(api, child) == "broken"


@pytest.mark.parametrize("given", [1, "1", " 1 ", "01", 1.0, "1.0"])
async def test_ids_of_parents_are_read_leniently(api, body, given):
    await api.accepted(body())
    number = await api.accepted(body(job={"depends_on": [given]}))
    assert (await show(api, number))["depends_on"] == [1]


@pytest.mark.parametrize("nothing", [None, "", []])
async def test_a_job_may_depend_on_nothing(api, body, nothing):
    number = await api.accepted(body(job={"depends_on": nothing}))
    assert await state(api, number) == "queued"


NO_IDS = (True, None, "x", 0, -1, 1.5, "1.5", 1e300, [1], 10**18, 77)


@pytest.mark.parametrize("given", [1, "1", {}, [1] * 101, *([one] for one in NO_IDS)])
async def test_what_no_job_can_depend_on_is_refused_with_a_record(api, body, given):
    await api.accepted(body())
    number, error = await api.refused(body(job={"depends_on": given}))
    assert error.startswith("job.depends_on: ")
    details = await api.job(number)
    assert (details.job.state, list(details.depends_on)) == (JobState.BROKEN, [])
    assert (await api.lines(number))[-1].message == error


async def test_nobody_depends_on_jobs_of_other_clients(api, body):
    foreign = await api.accepted({**body(), "client": "other"}, client="other")
    _, error = await api.refused(body(job={"depends_on": [foreign]}, token="not-to-be-seen"))
    assert error == f"job.depends_on: the client has no job {foreign}"
    of_root = {**body(job={"depends_on": [foreign]}), "client": "other"}
    await api.accepted(of_root, client="root")
