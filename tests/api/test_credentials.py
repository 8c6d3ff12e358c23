"""Credentials in URLs and under telling names: used whole, shown nowhere."""

from __future__ import annotations

import json
import logging

import httpx
import pytest

from taskengine.process_log import TextFormatter
from taskengine.testing.contract.world import failed
from tests.api.conftest import job_body
from tests.api.test_secrets import texts

PASSWORD = "TopSecretPw1"
URL = f"http://user:{PASSWORD}@a.test/hook?token={PASSWORD}&page=1"
NAMES = ["password", "db_password", "smtpPass", "auth_token", "clientSecret", "api_key", "cookie"]
PLACES = {
    "urls": {"rest_endpoints": [URL]},
    "a gate": {"job": {"semaphore_url": URL}},
    "custom data": {"custom_data": dict.fromkeys(NAMES, PASSWORD)},
    "undeclared parameters": dict.fromkeys(NAMES, PASSWORD),
    "a URL in a text": {"note": f"see <{URL}>"},
    "a list of pairs": {"headers": [{"name": "Authorization", "value": PASSWORD}]},
    "a gate that is none": {"job": {"semaphore_url": f"ftp://user:{PASSWORD}@a.test"}},
    "a gate with a careless password": {"job": {"semaphore_url": f"http://u:{PASSWORD}/x@a.test"}},
    "urls that are none": {"rest_endpoints": [f"http://u:{PASSWORD}/x@a.test"]},
    "a workflow that is none": {"job": {"workflow": URL}},
}


@pytest.mark.parametrize("place", PLACES)
async def test_credentials_are_in_no_read_of_a_job(client, place):
    status, answer = await client.send("POST", "/job", job_body(**PLACES[place]))
    assert status in (200, 400)
    assert PASSWORD not in json.dumps(answer) + await texts(client, answer["id"])


async def test_what_is_masked_is_stored_whole(client, world, now):
    body = job_body(rest_endpoints=[URL], job={"semaphore_url": URL})
    _, answer = await client.send("POST", "/job", body)
    details = await client.api.store.job(int(answer["id"]))
    assert details.job.semaphore_url == URL
    assert details.submitted["rest_endpoints"] == [URL]
    told = await (await client.api.get(f"/jobs/{answer['id']}")).get_json()
    assert told["semaphore_url"] == "http://user:********@a.test/hook?token=********&page=1"


async def test_credentials_are_not_in_the_log_of_callbacks(client, world, now):
    _, answer = await client.send("POST", "/job", job_body(rest_endpoints=[URL]))
    await world.admit(now)
    [attempt] = await world.claim(now=now)
    await world.record(failed(attempt, when=now))
    lanes = await world.lanes(now)
    assert {lane.url for lane in lanes} == {URL}
    await world.deliver(*lanes, now=now)
    callbacks = await (await client.api.get(f"/jobs/{answer['id']}/callbacks")).get_data(True)
    assert "user:********@a.test" in callbacks
    assert PASSWORD not in callbacks


@pytest.mark.parametrize(
    "body",
    [
        {"semaphore_url": URL, "priority": 2},
        {"semaphore_url": f"ftp://user:{PASSWORD}@a.test"},
        {"run_at": URL},
    ],
)
async def test_credentials_are_in_no_answer_and_no_line_of_updates(client, body):
    number = await client.submitted()
    _, answer = await client.send("PUT", f"/job/{number}", body)
    assert PASSWORD not in json.dumps(answer) + await texts(client, number)


@pytest.mark.parametrize(
    "header", ["x-session-id", "x-credential", "x-passwd", "x-jwt", "cookie", "x-my-token", "x-key"]
)
async def test_credentials_are_in_no_shown_header_of_a_submission(client, header):
    _, answer = await client.send(
        "POST", "/job", job_body(), **{header.replace("-", "_"): PASSWORD, "referer": URL}
    )
    assert PASSWORD not in await texts(client, answer["id"])


def test_credentials_are_not_in_the_log_of_the_process():
    try:
        httpx.Client().get(f"nothing://user:{PASSWORD}@a.test")
    except httpx.HTTPError as error:
        known = (type(error), ValueError(URL), error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "x", 1, "cannot ask %s", (URL,), known)
    told = TextFormatter().format(record)
    assert "user:********@a.test" in told
    assert PASSWORD not in told
