"""The contract, GET /logs/<id>, with the api entry of `workflows.md` 5.5 and A59."""

from __future__ import annotations

import json

import pytest

from taskengine.model import LogLine, Severity
from taskengine.store.memory.lines import add_line
from tests.api.conftest import KEY, job_body
from tests.api.documents import samples
from tests.api.shapes import assert_like

LOG, _ = samples("GET: /logs/<job id>")
SAMPLE = json.loads(LOG[0]["message"])
KEYS = ("HTTP_X_AUTH_KEY", "HTTP_API_KEY", "HTTP_X_API_KEY")


async def test_the_log_is_the_sample(client):
    number = await client.submitted()
    for headers in ({}, {"accept": "application/json"}):
        answer = await client.api.request("GET", f"/logs/{number}", headers=headers)
        assert answer.status_code == 200
        assert_like(LOG, await answer.get_json())


async def test_the_first_line_is_that_of_the_sample(client):
    """The masked keys, the order of all keys, the complete body, task 0."""
    headers = {"x_auth_key": KEY, "x_api_key": KEY, "accept": "application/json", "client": None}
    headers |= {"user_agent": "RestSharp/106.3.1.0", "accept_encoding": "gzip, deflate"}
    sent = {"client": "demo-client", **job_body(rest_endpoints=["http://a.test/x"])}
    _, answer = await client.send("POST", "/job", sent, **headers, host="te.example")
    _, [first] = await client.open(f"/logs/{answer['id']}")
    told = json.loads(first["message"])
    assert first["message"] == json.dumps(told, separators=(",", ":"))
    assert list(told) == list(SAMPLE)
    known = [name for name in told["headers"] if name in SAMPLE["headers"]]
    assert known == list(SAMPLE["headers"])
    for name in KEYS:
        assert told["headers"][name] == "*" * 32 + KEY[-4:]
        assert len(told["headers"][name]) == len(SAMPLE["headers"][name])
    assert told["parameters"] == sent
    assert list(told["parameters"]) == list(sent)
    assert (told["path"], told["payload"]) == (SAMPLE["path"], SAMPLE["payload"])
    assert (first["progname"], first["task_id"], first["visible"]) == ("api", 0, True)


@pytest.mark.parametrize("severity", Severity)
async def test_severities_have_their_numbers_and_names(client, api, severity, now):
    number = int(await client.submitted())
    add_line(api.store.tables, LogLine(number, "worker", "so", now, 7, severity))
    _, lines = await client.open(f"/logs/{number}?show_all=1")
    assert (lines[-1]["severity"], lines[-1]["severity_description"]) == (severity, severity.name)
    assert lines[-1]["visible"] is (severity > 0)
    _, shown = await client.open(f"/logs/{number}")
    assert len(shown) == len(lines) - (severity == 0)


def test_the_names_of_severities_are_those_decided():
    assert [one.name for one in Severity] == ["DEBUG", "INFO", "WARN", "ERROR", "FATAL"]
    assert [int(one) for one in Severity] == [0, 1, 2, 3, 4]


async def test_a_future_time_is_announced_without_zone(client):
    number = await client.submitted(run_at="2031-02-01T09:30:00+01:00")
    _, lines = await client.open(f"/logs/{number}")
    assert lines[-1]["message"] == 'Job will run at: "2031-02-01T08:30:00.000"'
    assert (lines[-1]["progname"], lines[-1]["task_id"]) == ("api", 0)


async def test_a_past_time_is_not_announced(client):
    number = await client.submitted(run_at="2020-02-01")
    assert len((await client.open(f"/logs/{number}"))[1]) == 1
