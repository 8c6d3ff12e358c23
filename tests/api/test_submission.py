"""POST /job: what is accepted, what is refused, and what is recorded of both."""

from __future__ import annotations

import json

import pytest

from taskengine.model import JobState, Severity


async def test_the_answer_is_that_of_the_contract(api, body):
    answer = await api.post("/job", body())
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert await answer.get_data() == b'{"id":"1","result":"accepted"}'


async def test_the_job_is_recorded_as_it_was_submitted(api, body, now):
    urls = ["https://a.example/cb", "https://b.example/cb", "https://a.example/cb"]
    job = {
        "priority": 3,
        "position": 7,
        "top_of_queue": True,
        "persist": True,
        "run_at": "2031-02-01T08:30:00.000",
        "semaphore_url": "https://gate.example.org/ready/77",
    }
    number = await api.accepted(body(job=job, rest_endpoints=urls))
    details = await api.job(number)
    recorded = details.job
    assert (recorded.client, recorded.workflow) == ("demo-client", "drmswitch")
    assert (recorded.priority, recorded.position) == (3, 7)
    assert (recorded.top_of_queue, recorded.persist) == (True, True)
    assert recorded.run_at.isoformat() == "2031-02-01T08:30:00+00:00"
    assert recorded.semaphore_url == "https://gate.example.org/ready/77"
    assert recorded.content_id == "c-77"
    assert recorded.state is JobState.SCHEDULED
    assert recorded.created_at == now
    assert details.submitted["rest_endpoints"] == urls
    assert details.parameters["enable_drm"] is False
    assert list(api.store.tables.jobs[number].submission.urls) == urls[:2]


async def test_defaults_see_the_client_and_the_job(api, body):
    number = await api.accepted(body(job={"priority": "2"}))
    parameters = (await api.job(number)).parameters
    assert parameters["source_storage"] == "local"
    assert parameters["label"] == "drmswitch 2"
    number = await api.accepted({**body(), "client": "other"}, client="other")
    assert (await api.job(number)).parameters["source_storage"] == "azure_blob"


async def test_null_and_empty_fields_are_as_good_as_absent(api, body):
    job = {"priority": None, "run_at": "", "semaphore_url": None, "persist": None, "position": ""}
    recorded = (await api.job(await api.accepted(body(job=job)))).job
    assert (recorded.priority, recorded.position, recorded.persist) == (5, 1, False)
    assert recorded.state is JobState.QUEUED


async def test_a_numeric_content_id_becomes_text(api, body):
    details = await api.job(await api.accepted(body(content_id=77)))
    assert details.job.content_id == details.parameters["content_id"] == "77"
    assert details.submitted["content_id"] == 77


async def test_a_run_at_ahead_is_announced(api, body):
    number = await api.accepted(body(job={"run_at": "2031-02-01 08:30"}))
    assert (await api.lines(number))[1].message == 'Job will run at: "2031-02-01T08:30:00.000"'


async def test_a_past_run_at_is_kept_and_not_announced(api, body):
    number = await api.accepted(body(job={"run_at": "2029-01-01T00:00:00.000"}))
    assert (await api.job(number)).job.state is JobState.QUEUED
    assert len(await api.lines(number)) == 1


# The clip rule


def capture(*ends, start="2030-01-02T04:00:00.000", **job):
    clips = [{"start": start, "end": end} for end in ends]
    parameters = {"clips": clips, "content_id": "c-77"}
    return {"job": {"workflow": "vodcapture", **job}, "parameters": parameters}


async def test_a_capture_waits_for_its_last_clip(api):
    number = await api.accepted(
        capture("2030-01-02T05:00:00.000", "2030-01-02T06:00:00", "01:00:10")
    )
    assert (await api.job(number)).job.run_at.isoformat() == "2030-01-02T06:00:00+00:00"


async def test_the_later_of_run_at_and_clip_end_wins(api):
    early = await api.accepted(capture("2030-01-02T05:00:00Z", run_at="2030-01-02T04:00:00Z"))
    late = await api.accepted(capture("2030-01-02T05:00:00Z", run_at="2030-01-02T09:00:00Z"))
    assert (await api.job(early)).job.run_at.hour == 5
    assert (await api.job(late)).job.run_at.hour == 9


async def test_past_clips_do_not_move_run_at(api, now):
    number = await api.accepted(capture("2020-01-02T05:00:00Z", start="2020-01-02T04:00:00Z"))
    assert (await api.job(number)).job.run_at == now


async def test_a_continuous_capture_starts_within_its_clip(api):
    given = capture("2030-01-02T05:00:00Z")
    given["parameters"]["continuous_capture"] = "true"
    number = await api.accepted(given)
    assert (await api.job(number)).job.run_at.isoformat() == "2030-01-02T04:48:00+00:00"
    given["job"]["run_at"] = "2030-01-02T04:10:00Z"
    number = await api.accepted(given)
    assert (await api.job(number)).job.run_at.minute == 10


async def test_impossible_clip_times_are_refused(api):
    _, error = await api.refused(capture("0001-01-01T00:00:00+14:00"))
    assert error.startswith("parameters.clips[0].end: ")


# Refusals keep a record


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"job": {"workflow": "nonsense"}}, "job.workflow"),
        ({"job": {"workflow": None}}, "job.workflow"),
        ({"job": {"priority": 0}}, "job.priority"),
        ({"job": {"priority": "11"}}, "job.priority"),
        ({"job": {"priority": 2.5}}, "job.priority"),
        ({"job": {"priority": True}}, "job.priority"),
        ({"job": {"priority": [5]}}, "job.priority"),
        ({"job": {"position": 2**40}}, "job.position"),
        ({"job": {"persist": "maybe"}}, "job.persist"),
        ({"job": {"depends_on": [1]}}, "job.depends_on"),
        ({"job": {"run_at": "tomorrow"}}, "job.run_at"),
        ({"job": {"run_at": 5}}, "job.run_at"),
        ({"job": {"run_at": "0001-01-01T00:00:00+14:00"}}, "job.run_at"),
        ({"job": {"semaphore_url": "ftp://x.example/"}}, "job.semaphore_url"),
        ({"job": {"sempahore_url": 7}}, "job.sempahore_url"),
        ({"folder": None}, "parameters.folder"),
        ({"enable_drm": "perhaps"}, "parameters.enable_drm"),
        ({"rest_endpoints": ["file:///etc/passwd"]}, "parameters.rest_endpoints"),
        ({"rest_endpoints": ["https://x.example/" + "a" * 3000]}, "parameters.rest_endpoints"),
        ({"content_id": "c" * 300}, "parameters.content_id"),
    ],
)
async def test_a_refused_submission_is_recorded(api, body, change, names):
    number, error = await api.refused(body(**change))
    assert error.startswith(names)
    job = (await api.job(number)).job
    assert (job.state, job.failed, job.client) == (JobState.BROKEN, True, "demo-client")
    first, last = await api.lines(number)
    assert json.loads(first.message)["payload"] == "job_created"
    assert (last.severity, last.progname, last.message) == (Severity.ERROR, "api", error)
    assert last.task_id == 0


@pytest.mark.parametrize(
    "change", [{"parameters": None}, {"parameters": "x"}, {"parameters": []}, {"job": "x"}]
)
async def test_parts_that_are_no_objects_are_refused(api, body, change):
    _, error = await api.refused({**body(), **change})
    assert error.startswith((*change, "job.workflow"))


async def test_a_refused_job_is_seen_by_its_id_and_state(api, body):
    number, _ = await api.refused(body(job={"priority": 99}))
    assert await (await api.get("/jobs")).get_json() == []
    (row,) = await (await api.get("/jobs?state=4")).get_json()
    assert (row["id"], row["queue_state"], row["failed"]) == (number, "broken", True)
    assert await (await api.get("/jobs?failed=1")).get_json() == []
    assert (await api.get(f"/jobs/{number}")).status_code == 200
