"""POST /jobs/<id>/rerun."""

from __future__ import annotations

import json

import pytest

from tests.api.changing import send, show, state
from tests.contract.world import failed


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
