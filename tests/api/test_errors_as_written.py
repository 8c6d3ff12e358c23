"""The general rules on answers: every error is JSON, and which codes there are."""

from __future__ import annotations

import pytest

from taskengine.api.limits import RequestLimits
from tests.api.conftest import job_body

PATHS = {
    "/": {"GET"},
    "/health": {"GET"},
    "/dashboard": {"GET"},
    "/job": {"POST"},
    "/jobs": {"GET", "POST"},
    "/jobs/1": {"GET", "PUT", "PATCH"},
    "/job/1": {"PUT", "PATCH"},
    "/jobs/1/rerun": {"POST"},
    "/logs/1": {"GET"},
    "/schedules": {"GET", "POST"},
    "/scheduler": {"PUT"},
    "/settings": {"GET", "POST"},
}


@pytest.mark.parametrize("path", PATHS)
async def test_another_method_is_a_405_with_allow(client, path):
    answer = await client.api.request("DELETE", path)
    assert (answer.status_code, answer.mimetype) == (405, "application/json")
    assert list(await answer.get_json()) == ["error"]
    allowed = {name.strip() for name in answer.headers["Allow"].split(",")}
    assert allowed - {"HEAD"} == PATHS[path]


@pytest.mark.parametrize("path", ["/nothing", "/job/1/2", "/jobs/1/nothing", "/index.html"])
async def test_an_unknown_path_is_a_404(client, path):
    for method in ("GET", "POST", "PUT", "DELETE"):
        answer = await client.api.request(method, path)
        assert (answer.status_code, answer.mimetype) == (404, "application/json")
        assert list(await answer.get_json()) == ["error"]


async def test_a_large_body_is_a_413(client):
    status, content = await client.send("POST", "/job", b" " * (1 << 20) + b"{}")
    assert (status, list(content)) == (413, ["error"])


@pytest.mark.parametrize(("method", "path"), [("PUT", "/job/1"), ("POST", "/settings")])
async def test_another_content_type_is_a_415(client, method, path):
    await client.submitted()
    status, content = await client.send(method, path, b"a=1", content_type="text/csv")
    assert (status, list(content)) == (415, ["error"])


async def test_too_many_requests_are_a_429_with_retry_after(client, autojump_clock):
    api = client.api.with_(limits=RequestLimits(1))
    answers = [await api.post("/job", job_body()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].mimetype == "application/json"
    assert list(await answers[2].get_json()) == ["error"]
    assert int(answers[2].headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/job", {}),
        ("POST", "/jobs/batch", [{}]),
        ("PUT", "/job/1", {"priority": 2}),
        ("POST", "/jobs/1/rerun", {}),
        ("POST", "/settings", {"name": "max_jobs", "setting": 3}),
        ("PUT", "/scheduler", {"schedule": "queue_scheduled_jobs", "active": True}),
        ("GET", "/health", None),
    ],
)
async def test_wrong_credentials_are_a_401_everywhere(client, method, path, content):
    await client.submitted()
    for header in ("api_key", "x_api_key", "x_auth_key"):
        given = {"api_key": None, header: "wrong"}
        status, answer = await client.send(method, path, content, **given)
        assert (status, list(answer)) == (401, ["error"])


async def test_success_is_200_everywhere(client, admin):
    number = await client.submitted()
    sent = [
        ("POST", "/job", job_body()),
        ("PUT", f"/job/{number}", {"priority": 2}),
        ("POST", f"/jobs/{number}/rerun", None),
        ("POST", "/settings", {"name": "new", "setting": 3}),
        ("PUT", "/scheduler", {"schedule": "queue_scheduled_jobs", "active": True}),
    ]
    assert [(await admin.send(*one))[0] for one in sent[1:]] == [200] * 4
    assert (await client.send(*sent[0]))[0] == 200


async def test_nothing_answers_with_a_stack_trace(client, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("inside")

    for name in ("jobs", "settings", "schedules", "clients"):
        monkeypatch.setattr(type(client.api.store), name, broken)
    for path in ("/jobs", "/dashboard", "/schedules", "/settings"):
        answer = await client.api.get(path)
        assert (answer.status_code, answer.mimetype) == (500, "application/json")
        assert await answer.get_json() == {"error": "internal error"}


async def test_with_closed_reads_they_ask_for_credentials(client):
    """A8: `auth.public_reads = false` closes /dashboard, /jobs and /logs."""
    number = await client.submitted()
    settings = client.api.services.configuration.model_copy(update={"public_reads": False})
    closed = type(client)(client.api.with_(configuration=settings))
    for path in ("/dashboard", "/jobs", f"/jobs/{number}", f"/logs/{number}"):
        status, content = await closed.open(path)
        assert (status, list(content)) == (401, ["error"])
        assert (await closed.send("GET", path))[0] == 200
    assert (await closed.open("/"))[0] == 200
