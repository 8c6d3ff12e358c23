"""The contract, POST /job, with A1, A3, A6, A7, A9 and the general rules on input."""

from __future__ import annotations

import json

import pytest

from taskengine.api_keys import hash_key
from taskengine.model import Client, StoreUnavailable
from tests.api.conftest import KEY, job_body
from tests.api.documents import WORKFLOWS, blocks, samples
from tests.api.shapes import assert_like

ACCEPTED, REFUSED = samples("POST: /job")
BAD_JOBS = [  # test_submission.py has more
    {"priority": "high"},
    {"semaphore_url": "gate"},
    {"position": "first"},
    {"top_of_queue": "maybe"},
    {"persist": 2},
    {"workflow": ""},
]


@pytest.mark.parametrize("path", ["/job", "/jobs", "/job/", "/jobs/"])
async def test_an_accepted_job_is_answered_with_its_id_as_text(client, path):
    status, content = await client.send("POST", path, job_body())
    assert status == 200
    assert_like(ACCEPTED, content)
    assert content["result"] == "accepted"
    assert (await client.job(content["id"]))["id"] == int(content["id"])


async def test_the_sample_payload_of_the_features(client, api):
    """`workflows.md` 1.1, as `acme`, for whom vodcapture needs clips."""
    [text] = [block.text for block in blocks(WORKFLOWS) if block.heading == "1.1 Shape"]
    payload = json.loads(text.partition("```json")[2].partition("```")[0])
    payload["parameters"] |= {"clips": []}
    await api.store.put_client(Client("acme", hash_key(KEY)))
    status, answer = await client.send("POST", "/job", payload, client=None)
    assert status == 200
    shown = await client.job(answer["id"])
    assert {name: shown[name] for name in ("client", "workflow", "priority", "run_at")} == {
        "client": "acme",
        "workflow": "vodcapture",
        "priority": 3,
        "run_at": "2031-02-01T08:30:00.000Z",
    }
    assert shown["semaphore_url"] == payload["job"]["semaphore_url"]
    assert shown["queue_state"] == "scheduled"


@pytest.mark.parametrize("job", BAD_JOBS, ids=str)
async def test_a_refused_job_is_a_400_with_id_and_error(client, job):
    """A3: it is recorded, ends as broken and failed, and its log has an ERROR line."""
    status, content = await client.send("POST", "/job", job_body(job=job))
    assert status == 400
    assert_like(REFUSED, content)
    shown = await client.job(content["id"])
    assert (shown["queue_state"], shown["failed"]) == ("broken", True)
    _, log = await client.open(f"/logs/{content['id']}")
    assert (log[-1]["severity_description"], log[-1]["message"]) == ("ERROR", content["error"])


async def test_a_missing_parameter_is_a_400_that_names_it(client):
    status, content = await client.send("POST", "/job", job_body(folder=None))
    assert status == 400
    assert "folder" in content["error"]


async def test_an_internal_failure_is_a_500_in_plain_text(api, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("taskengine.api.resources.submissions.Submissions.prepare", broken)
    for path in ("/job", "/jobs"):
        answer = await api.post(path, job_body())
        assert (answer.status_code, answer.mimetype) == (500, "text/plain")
        assert await answer.get_data(as_text=True) == '"Unable to create job request"'


async def test_only_what_nobody_foresaw_is_that_500(api, monkeypatch):
    """A database that is away is a 503 with Retry-After, in JSON."""

    async def away(*_):
        raise StoreUnavailable("gone")

    monkeypatch.setattr(type(api.store), "client", away)
    answer = await api.post("/job", job_body())
    assert (answer.status_code, answer.mimetype) == (503, "application/json")
    assert int(answer.headers["Retry-After"]) > 0


NO_OBJECTS = [b"", b"{", b"[]", b"null", b'"x"', b"7", b"{'a': 1}", b"\xff", b"\xff{}"]
NO_JSON = [b'{"a": NaN}', b'{"a": -Infinity}', b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}"]


@pytest.mark.parametrize("raw", [*NO_OBJECTS, *NO_JSON])
async def test_malformed_json_leaves_no_record(client, raw):
    status, content = await client.send("POST", "/job", raw)
    assert status == 400
    assert list(content) == ["error"]
    assert await client.ids("?state=0,1,2,3,4,5,6") == []


@pytest.mark.parametrize("header", ["api-key", "x-api-key", "x-auth-key", "API-KEY", "Api-Key"])
async def test_the_key_has_aliases(client, header):
    status, _ = await client.send("POST", "/job", job_body(), **{"api-key": None, header: KEY})
    assert status == 200


async def test_the_client_may_come_from_the_body_alone(client):
    status, content = await client.send("POST", "/job", job_body(), client=None)
    assert status == 200
    assert (await client.job(content["id"]))["client"] == "demo-client"


async def test_a_body_without_client_is_that_of_the_header(client):
    content = {key: value for key, value in job_body().items() if key != "client"}
    assert (await client.send("POST", "/job", content))[0] == 200


async def test_header_and_body_that_disagree_are_a_403(client, admin):
    content = {**job_body(), "client": "other"}
    status, answer = await client.send("POST", "/job", content)
    assert (status, list(answer)) == (403, ["error"])
    status, answer = await admin.send("POST", "/job", content)
    assert status == 200
    assert (await client.job(answer["id"]))["client"] == "other"


@pytest.mark.parametrize(
    ("given", "kept"),
    [("2", 2), (" 2 ", 2), (2.0, 2), ("2.0", 2), (None, 5), ("", 5), (1, 1), (10, 10)],
)
async def test_a_number_may_come_as_a_text(client, given, kept):
    number = await client.submitted(priority=given, position=given)
    shown = await client.job(number)
    assert (shown["priority"], shown["position"]) == (kept, 1 if kept == 5 else kept)


@pytest.mark.parametrize("given", [True, "true", "True", "TRUE", "1", 1])
async def test_a_boolean_may_come_as_a_text(client, given):
    number = await client.submitted(persist=given, top_of_queue=given)
    shown = await client.job(number)
    assert (shown["persist"], shown["top_of_queue"]) == (True, True)


async def test_parameters_are_coerced_before_the_schema(client, api):
    _, answer = await client.send("POST", "/job", job_body(enable_drm="TRUE", content_id=77))
    details = await api.job(int(answer["id"]))
    assert details.parameters["enable_drm"] is True
    assert details.parameters["content_id"] == "77"
    assert (await client.job(answer["id"]))["parameters"]["enable_drm"] == "TRUE"


@pytest.mark.parametrize("name", ["semaphore_url", "sempahore_url", "semphore_url"])
async def test_the_gate_has_three_spellings_on_input_and_one_on_output(client, name):
    number = await client.submitted(**{name: "http://gate.test/7"})
    shown = await client.job(number)
    assert shown["semaphore_url"] == "http://gate.test/7"
    assert not {"sempahore_url", "semphore_url"} & shown.keys()
    assert shown["queue_state"] == "scheduled"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2031-02-01T08:30:00.000", "2031-02-01T08:30:00.000Z"),
        ("2031-02-01T08:30:00", "2031-02-01T08:30:00.000Z"),
        ("2031-02-01T08:30:00Z", "2031-02-01T08:30:00.000Z"),
        ("2031-02-01T09:30:00.5+01:00", "2031-02-01T08:30:00.500Z"),
        ("2031-02-01T08:30:00.1239999", "2031-02-01T08:30:00.123Z"),
        ("2031-02-01", "2031-02-01T00:00:00.000Z"),
        ("2031-02-01 08:30", "2031-02-01T08:30:00.000Z"),
        ("2032-02-29T23:59:59.999", "2032-02-29T23:59:59.999Z"),
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.9999999", "9999-12-31T23:59:59.999Z"),
    ],
)
async def test_times_are_read_leniently_and_written_in_utc_with_three_digits(client, given, shown):
    """A14."""
    assert (await client.job(await client.submitted(run_at=given)))["run_at"] == shown


async def test_the_workflow_may_stand_in_the_parameters(client):
    """A42."""
    content = {"parameters": {"workflow": "drmswitch", "content_id": "c", "folder": "f"}}
    status, answer = await client.send("POST", "/job", content)
    assert status == 200
    assert (await client.job(answer["id"]))["workflow"] == "drmswitch"


@pytest.mark.parametrize("name", ["DrmSwitch", "DRMSWITCH", "drmswitch"])
async def test_the_workflow_is_read_in_any_case(client, name):
    number = await client.submitted(workflow=name)
    assert (await client.job(number))["workflow"] == "drmswitch"


@pytest.mark.parametrize("name", ["rest_endpoints", "custom_data", "output_root", "input_root"])
async def test_what_every_workflow_knows_gives_no_warning(client, name):
    value = ["http://a.test/"] if name == "rest_endpoints" else "x"
    _, answer = await client.send("POST", "/job", job_body(**{name: value, "workflow": "x"}))
    _, log = await client.open(f"/logs/{answer['id']}")
    assert [line["severity_description"] for line in log] == ["INFO"]


async def test_each_undeclared_parameter_gives_one_warning_of_task_0(client):
    _, answer = await client.send("POST", "/job", job_body(colour=1, size=2))
    _, log = await client.open(f"/logs/{answer['id']}")
    warned = [line for line in log if line["severity_description"] == "WARN"]
    assert [(line["progname"], line["task_id"]) for line in warned] == [("api", 0)] * 2
    assert ["'colour'" in warned[0]["message"], "'size'" in warned[1]["message"]] == [True, True]


async def test_a_misspelt_field_of_the_job_gives_a_warning_too(client):
    job = {"priorty": 1, "queue_state": "paused", "semphore_url": "", "position": 1}
    number = await client.submitted(**job)
    _, log = await client.open(f"/logs/{number}")
    warned = [line["message"] for line in log if line["severity_description"] == "WARN"]
    assert warned == [
        "Field 'job.priorty' is unknown; is 'priority' meant?",
        "Field 'job.queue_state' is unknown",
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"job": "drmswitch"}, 'job: expected an object, got "drmswitch"'),
        ({"job": []}, "job: expected an object, got an empty array"),
        ({"job": {}}, "job.workflow: required; there are drmswitch, vodcapture"),
        (
            {"job": {"workflow": "drmswich"}},
            'job.workflow: there is no workflow "drmswich"; there are drmswitch, vodcapture',
        ),
        ({"parameters": None}, "parameters: expected an object, got null"),
    ],
)
async def test_the_error_says_what_was_expected_where(client, change, told):
    status, content = await client.send("POST", "/job", {**job_body(), **change})
    assert (status, content["error"]) == (400, told)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data"])
async def test_another_content_type_is_a_415(client, kind):
    status, content = await client.send("POST", "/job", b"<a/>", content_type=kind)
    assert (status, list(content)) == (415, ["error"])
