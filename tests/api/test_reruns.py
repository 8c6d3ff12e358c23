"""POST /jobs/<id>/rerun."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest

from taskengine.testing.contract.world import failed
from taskengine.workflows.library import Library
from taskengine.workflows.workflow import Workflow
from tests.api.changing import send, show, state
from tests.api.conftest import WORKFLOWS


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
    line, which = await api.lines(2)
    told = json.loads(line.message)
    assert (told["path"], told["payload"]) == (f"POST /jobs/{number}/rerun", "job_created")
    assert (line.progname, line.task_id, told["parameters"]) == ("api", 0, {})
    assert new["definition"] == old["definition"]
    assert which.message == (
        f"Runs job {number} again, by the definition of the original: {old['definition']}"
    )


async def test_a_second_rerun_answers_with_the_same_id(api, body, rerun):
    number = await api.accepted(body())
    answers = [await rerun(number, path=path) for path in ("jobs", "job", "jobs")]
    assert answers == [(200, {"id": "2", "result": "accepted"})] * 3
    assert len(await api.lines(2)) == 2


@pytest.mark.parametrize("content", [b"", b"{}", b'{"client": "demo-client"}', b"null", b"x=1"])
async def test_a_rerun_needs_no_body(api, body, rerun, content):
    number = await api.accepted(body())
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert (await rerun(number, body=content, **form))[0] == 200


async def test_the_body_of_a_rerun_may_name_the_client(api, body, rerun):
    number = await api.accepted(body())
    assert (await rerun(number, body=b'{"client": "other"}'))[0] == 403
    assert (await rerun(number, client=None, body=b'{"client": "demo-client"}'))[0] == 200


async def test_what_was_refused_is_not_run_again(api, body, rerun):
    number, _ = await api.refused(body(job={"priority": 99}))
    status, content = await rerun(number)
    assert (status, list(content)) == (400, ["error"])


async def test_a_job_that_was_stopped_runs_again(api, body, rerun, updated):
    number = await api.accepted(body())
    await updated(number, {"queue_state": "broken"}, "queue_state")
    assert await rerun(number) == (200, {"id": "2", "result": "accepted"})
    assert (await state(api, number), await state(api, 2)) == ("broken", "queued")


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


def changed_library(**parameters):
    """The workflows, after a change of the file of drmswitch."""
    content = deepcopy(WORKFLOWS[0])
    content["parameters"]["properties"] |= parameters
    content["tasks"] = [*content["tasks"], {"name": "more", "action": "core.noop"}]
    workflow = Workflow.from_content({**content, "client": None})
    return Library({(None, "drmswitch"): workflow}), workflow.definition.digest


async def test_a_rerun_keeps_its_definition_and_says_that_the_file_has_changed(
    api, body, api_key, now
):
    number = await api.accepted(body(label="x"))
    old = (await show(api, number))["definition"]
    library, _ = changed_library()
    after = api.with_(library=lambda: library)
    status, content = await send(after, "POST", f"/jobs/{number}/rerun", key=api_key)
    assert (status, content["result"]) == (200, "accepted")
    assert content["warnings"] == [
        f"the workflow drmswitch has changed since job {number} was submitted: it runs again by "
        "its own definition; definition=current takes the one in force"
    ]
    assert (await show(api, content["id"]))["definition"] == old


@pytest.mark.parametrize(
    ("query", "content"),
    [("?definition=current", b""), ("", b'{"definition": "current"}')],
)
async def test_a_rerun_may_have_the_definition_in_force(api, body, api_key, query, content):
    given = body(label="x", token="s3cret-token")
    number = await api.accepted(given)
    library, digest = changed_library(speed={"type": "integer", "default": 7})
    after = api.with_(library=lambda: library)
    path = f"/jobs/{number}/rerun{query}"
    status, told = await send(after, "POST", path, content, key=api_key)
    assert (status, list(told)) == (200, ["id", "result"])
    new = await api.job(int(told["id"]))
    assert new.job.digest == digest
    assert new.parameters["speed"] == 7
    assert (new.parameters["token"], new.submitted) == ("s3cret-token", given["parameters"])
    lines = [line.message for line in await api.lines(new.job.id)]
    assert lines[-1] == f"Runs job {number} again, by the definition in force: {digest}"
    answer = await after.get("/workflows/drmswitch")
    assert (await answer.get_json())["digest"] == digest


async def test_what_the_definition_in_force_refuses_changes_nothing(api, body, api_key):
    number = await api.accepted(body(label="x"))
    library, _ = changed_library(label={"type": "integer"})
    for changed, told in (
        (library, 'definition: parameters.label: expected an integer, got "x"'),
        (Library({}), 'definition: job.workflow: there is no workflow "drmswitch"; there are '),
    ):
        after = api.with_(library=lambda changed=changed: changed)
        path = f"/jobs/{number}/rerun?definition=current"
        status, content = await send(after, "POST", path, key=api_key)
        assert (status, content) == (400, {"error": told})
    assert await state(api, number) == "queued"


async def test_which_definition_is_one_of_two(api, body, api_key):
    number = await api.accepted(body())
    path = f"/jobs/{number}/rerun"
    values = (b"3", b"0", b"[]", b"{}", b"false")
    bodies = [("", b'{"definition": %b}' % value) for value in values]
    for query, content in (("?definition=newest", b""), *bodies):
        status, told = await send(api, "POST", path + query, content, key=api_key)
        assert status == 400
        assert told["error"].startswith("definition: expected original or current, got ")
    assert await state(api, number) == "queued"


async def failed_job(api, body, world, now):
    """One whose only task failed."""
    number = await api.accepted(body(label="x"))
    await world.admit(now)
    [attempt] = await world.claim(now=now)
    await world.record(failed(attempt, when=now))
    return number


async def test_a_retry_goes_on_with_a_failed_job(api, body, world, now, api_key):
    number = await failed_job(api, body, world, now)
    for path in ("jobs", "job"):
        answer = await send(api, "POST", f"/{path}/{number}/retry", b"", key=api_key)
        assert answer == (200, {"id": "2", "result": "accepted"})
    old, new = await show(api, number), await show(api, 2)
    assert (old["queue_state"], new["queue_state"], new["rerun_of"]) == ("broken", "queued", number)
    assert [task["state"] for task in new["tasks"]] == ["waiting", "waiting"]
    told = [line.message for line in await api.lines(2)]
    assert json.loads(told[0])["path"] == f"POST /jobs/{number}/retry"
    assert told[-1] == (
        f"goes on where job {number} ended: 0 of 2 tasks are kept, with their results"
    )


async def test_a_retry_may_have_the_definition_in_force(api, body, world, now, api_key):
    number = await failed_job(api, body, world, now)
    library, digest = changed_library()
    after = api.with_(library=lambda: library)
    path = f"/jobs/{number}/retry?definition=current"
    status, told = await send(after, "POST", path, b"", key=api_key)
    assert (status, list(told)) == (200, ["id", "result"])
    new = await api.job(int(told["id"]))
    assert (new.job.digest, len(new.tasks)) == (digest, 3)


async def test_what_has_not_ended_is_not_retried(api, body, api_key):
    number = await api.accepted(body())
    status, told = await send(api, "POST", f"/jobs/{number}/retry", b"", key=api_key)
    assert status == 400
    assert told["error"] == "the job is queued: it has not ended, and goes on by itself"


async def test_only_the_jobs_client_retries(api, body, api_key):
    number = await api.accepted(body())
    other = await send(api, "POST", f"/jobs/{number}/retry", b"", client="other", key="wrong")
    assert other[0] == 401
