"""The contract, PUT /job/<id> and POST /jobs/<id>/rerun, with A1, A19 and A20."""

from __future__ import annotations

import pytest

from taskengine.testing.contract.world import done
from tests.api.conftest import job_body
from tests.api.documents import samples
from tests.api.shapes import assert_like

PAYLOAD, UPDATED, REFUSED = samples("PUT: /job/<job_id>")
ACCEPTED, ERROR = samples("POST: /jobs/<job id>/rerun")
BAD = [{}, {"client": "demo-client"}, {"colour": 1}, {"priority": 11}, {"run_at": "x"}]
BAD += [{"queue_state": "completed"}, {"queue_state": "started"}, {"semaphore_url": "x"}]
FIELDS = {
    "queue_state": "paused",
    "run_at": "2031-02-01T08:30:00.000",
    "priority": "2",
    "position": "7",
    "top_of_queue": "true",
    "persist": "TRUE",
    "semaphore_url": "http://gate.test/",
}


async def test_the_sample_payload(client):
    number = await client.submitted()
    status, content = await client.send("PUT", f"/job/{number}", PAYLOAD)
    assert status == 200
    assert_like(UPDATED, content)
    assert content == {"id": number, "result": "Performed updates: priority, run_at"}
    shown = await client.job(number)
    assert (shown["priority"], shown["run_at"]) == (2, "2020-09-09T14:30:00.000Z")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("path", ["/job", "/jobs"])
async def test_two_methods_and_two_paths_are_the_same_call(client, method, path):
    number = await client.submitted()
    status, content = await client.send(method, f"{path}/{number}", {"priority": "3"})
    assert (status, content["result"]) == (200, "Performed updates: priority")


async def test_an_id_that_is_no_number_is_answered_as_it_was_sent(client):
    """The contract's 400 has the `id`."""
    status, content = await client.send("PUT", "/job/abc", PAYLOAD)
    assert status == 400
    assert_like(REFUSED, content)
    assert content["id"] == "abc"


@pytest.mark.parametrize("name", FIELDS)
async def test_each_field_can_be_updated(client, name):
    number = await client.submitted()
    status, content = await client.send("PUT", f"/job/{number}", {name: FIELDS[name]})
    assert (status, content["result"]) == (200, f"Performed updates: {name}")
    shown = await client.job(number)
    expected = {"priority": 2, "position": 7, "top_of_queue": True, "persist": True}
    expected["run_at"] = "2031-02-01T08:30:00.000Z"
    assert shown[name] == expected.get(name, FIELDS[name])


@pytest.mark.parametrize("name", ["semaphore_url", "sempahore_url", "semphore_url"])
async def test_the_gate_is_updated_by_any_spelling(client, name):
    number = await client.submitted()
    assert (await client.send("PUT", f"/job/{number}", {name: "http://gate.test/"}))[0] == 200
    shown = await client.job(number)
    assert (shown["semaphore_url"], shown["queue_state"]) == ("http://gate.test/", "scheduled")


@pytest.mark.parametrize("asked", ["paused", "PAUSED", "Broken", "broken"])
async def test_a_job_is_paused_or_broken(client, asked):
    number = await client.submitted()
    assert (await client.send("PUT", f"/job/{number}", {"queue_state": asked}))[0] == 200
    assert await client.state(number) == asked.lower()


@pytest.mark.parametrize(
    "change",
    BAD,
    ids=str,
)
async def test_what_cannot_be_updated_is_a_400_with_id_and_error(client, change):
    number = await client.submitted()
    before = await client.job(number)
    status, content = await client.send("PUT", f"/job/{number}", change)
    assert status == 400
    assert_like(REFUSED, content)
    assert content["id"] == number
    assert await client.job(number) == before


async def test_what_is_over_is_final(client, world, now):
    number = await client.submitted()
    await client.send("PUT", f"/job/{number}", {"queue_state": "broken"})
    for name, value in FIELDS.items():
        status, content = await client.send("PUT", f"/job/{number}", {name: value})
        assert (status, list(content)) == (400, ["id", "error"])


async def test_a_paused_job_resumes_to_where_a_submission_would_put_it(client):
    first = await client.submitted()
    jobs = [{}, {"run_at": "2031-01-01"}, {"semaphore_url": "http://g.test/"}]
    for job in [*jobs, {"depends_on": [first]}]:
        number = await client.submitted(**job)
        before = await client.state(number)
        await client.send("PUT", f"/job/{number}", {"queue_state": "paused"})
        await client.send("PUT", f"/job/{number}", {"queue_state": "queued"})
        assert await client.state(number) == before


async def test_a_scheduled_job_is_run_now(client):
    number = await client.submitted(run_at="2031-01-01", semaphore_url="http://gate.test/")
    assert (await client.send("PUT", f"/job/{number}", {"queue_state": "queued"}))[0] == 200
    assert await client.state(number) == "queued"


async def test_a_started_job_takes_no_new_time(client, world, now):
    number = await client.submitted()
    await world.admit(now)
    for name in ("run_at", "semaphore_url"):
        status, content = await client.send("PUT", f"/job/{number}", {name: FIELDS[name]})
        assert status == 400
        assert name in content["error"]


async def test_another_clients_job_is_a_403_and_an_unknown_one_a_404(client, admin, api):
    number = await client.submitted()
    other = type(client)(api, "other")
    for method, path in (("PUT", f"/job/{number}"), ("POST", f"/jobs/{number}/rerun")):
        status, content = await other.send(method, path, {"priority": 2})
        assert (status, list(content)) == (403, ["error"])
    for method, path in (("PUT", "/job/77"), ("POST", "/jobs/77/rerun")):
        status, content = await client.send(method, path, {"priority": 2})
        assert (status, list(content)) == (404, ["error"])
    assert (await admin.send("PUT", f"/job/{number}", {"priority": 2}))[0] == 200


async def test_a_rerun_is_accepted_with_the_new_id(client, world, now):
    """With exactly the same parameters; the original becomes broken; once."""
    old = await client.submitted(priority=7, position=3, persist=True)
    await world.admit(now)
    while attempts := await world.claim(now=now):
        await world.record(done(attempts[0], now))
    status, content = await client.send("POST", f"/jobs/{old}/rerun")
    assert status == 200
    assert_like(ACCEPTED, content)
    assert content["result"] == "accepted"
    new = content["id"]
    assert new != old
    assert [await client.state(one) for one in (old, new)] == ["broken", "queued"]
    before, after = await client.job(old), await client.job(new)
    for name in ("parameters", "workflow", "client", "priority", "position", "persist"):
        assert after[name] == before[name]
    assert after["rerun_of"] == int(old)
    assert await client.send("POST", f"/jobs/{old}/rerun") == (status, content)


async def test_what_was_refused_is_no_original_for_a_rerun(client):
    _, told = await client.send("POST", "/job", job_body(job={"priority": 99}))
    number = told["id"]
    status, content = await client.send("POST", f"/jobs/{number}/rerun")
    assert status == 400
    assert_like(ERROR, content)
