"""Errors are JSON, outages 503, and nothing tells of the inside."""

from __future__ import annotations

import logging

import pytest
import trio

from taskengine.actors.intake import Intake
from taskengine.api.app import create_app
from taskengine.counters import CountersUnavailable
from taskengine.messages import Submit
from taskengine.model import BadInput, StoreUnavailable
from taskengine.runtime.mailbox import Mailbox
from taskengine.store.memory import MemoryStore


class Away:
    """A store whose database cannot be reached, for all calls but those that are named."""

    def __init__(self, store, *served, error=StoreUnavailable):
        self._store, self._served, self._error = store, served, error

    def __getattr__(self, name):
        if name in self._served:
            return getattr(self._store, name)
        return self._streaming if name == "log" else self._failing

    async def _failing(self, *args, **options):
        await trio.lowlevel.checkpoint()
        raise self._error("SELECT secret FROM inside")

    async def _streaming(self, *args, **options):
        await self._failing()
        yield []


def with_store(api, nursery, *served, error=StoreUnavailable):
    """The API and its intake on a store that fails."""
    store = Away(api.store, *served, error=error)
    mailbox = Mailbox[Submit](10)
    nursery.start_soon(Intake(store, api.services.now, lambda: None).run, mailbox)
    return api.with_(store=store, intake=mailbox.address)


async def check_error(answer, status):
    assert answer.status_code == status
    assert answer.content_type == "application/json"
    content = await answer.get_json()
    assert list(content) == ["error"]
    assert "inside" not in content["error"]


@pytest.mark.parametrize(
    "path", ["/nothing", "/jobs/1/nothing", "/jobs//1", "/static/x", "/job/1/x"]
)
async def test_an_unknown_path_is_a_404(api, path):
    await check_error(await api.request("GET", "/", scope_base={"path": path}), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/job", {"POST"}),
        ("DELETE", "/jobs", {"GET", "POST"}),
        ("GET", "/job/1", {"PUT", "PATCH"}),
        ("PUT", "/", {"GET"}),
        ("OPTIONS", "/jobs", {"GET", "POST"}),
    ],
)
async def test_other_methods_are_told_what_is_allowed(api, method, path, allowed):
    answer = await api.request(method, path)
    await check_error(answer, 405)
    assert allowed <= {name.strip() for name in answer.headers["Allow"].split(",")}


async def test_a_trailing_slash_does_not_matter(api, body):
    await api.accepted(body())
    for path in ("/jobs/", "/jobs/1/", "/logs/1/"):
        assert (await api.get(path)).status_code == 200


@pytest.mark.parametrize("served", [(), ("client",)])
async def test_submissions_while_the_database_is_away(api, nursery, body, served):
    answer = await with_store(api, nursery, *served).post("/job", body())
    await check_error(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    "path", ["/jobs", "/jobs/1", "/logs/1", "/dashboard", "/settings", "/readyz"]
)
async def test_reads_while_the_database_is_away(api, nursery, path):
    answer = await with_store(api, nursery).get(path)
    await check_error(answer, 503)
    assert "Retry-After" in answer.headers


async def test_a_log_whose_first_page_fails_is_an_error(api, nursery, body):
    await api.accepted(body())
    await check_error(await with_store(api, nursery, "job").get("/logs/1"), 503)


@pytest.mark.parametrize("served", [(), ("client",)])
async def test_health_while_the_database_is_away(api, nursery, served):
    await check_error(await with_store(api, nursery, *served).get("/health"), 500)


async def test_an_internal_failure_of_a_submission_is_plain_text(api, nursery, body, caplog):
    answer = await with_store(api, nursery, error=RuntimeError).post("/job", body())
    assert answer.status_code == 500
    assert answer.content_type == "text/plain; charset=utf-8"
    assert await answer.get_data() == b'"Unable to create job request"'
    (record,) = [one for one in caplog.records if "POST" in one.getMessage()]  # a proxy asks too
    assert record.levelno == logging.ERROR
    assert "SELECT secret" in caplog.text  # for the operator


async def test_other_internal_failures_are_json(api, nursery):
    await check_error(await with_store(api, nursery, error=RuntimeError).get("/jobs"), 500)


async def grouped(error):
    async def fail():
        raise error

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)
        nursery.start_soon(trio.sleep_forever)


@pytest.mark.parametrize(
    ("error", "status"), [(StoreUnavailable("inside"), 503), (KeyError("inside"), 500)]
)
async def test_groups_of_errors_are_answered_as_a_whole(api, monkeypatch, error, status):
    monkeypatch.setattr(MemoryStore, "jobs", lambda self, wanted: grouped(error))
    await check_error(await api.get("/jobs"), status)


async def test_all_of_a_group_is_logged(api, monkeypatch, caplog):
    async def jobs(self, wanted):
        raise ExceptionGroup("both", [StoreUnavailable("the first"), KeyError("the second")])

    monkeypatch.setattr(MemoryStore, "jobs", jobs)
    await check_error(await api.get("/jobs"), 500)
    assert "the first" in caplog.text
    assert "the second" in caplog.text


async def hang(*args):
    await trio.sleep(60)


async def test_a_submission_is_answered_in_time(api, body, autojump_clock):
    mailbox = Mailbox[Submit](1)  # nobody reads it
    start = trio.current_time()
    answer = await api.with_(intake=mailbox.address).post("/job", body())
    await check_error(answer, 503)
    assert trio.current_time() - start == pytest.approx(5)


async def test_a_slow_look_at_the_client_counts_as_well(api, body, autojump_clock, monkeypatch):
    monkeypatch.setattr(MemoryStore, "client", hang)
    start = trio.current_time()
    await check_error(await api.post("/job", body()), 503)
    assert trio.current_time() - start == pytest.approx(5)


async def test_a_process_that_stood_still_answers_that_it_took_too_long(
    api, body, autojump_clock, monkeypatch
):
    """What was asked for had come; the request's time was over before anybody could tell."""
    seen = MemoryStore.client

    async def client(*args):
        try:
            return await seen(*args)
        finally:
            autojump_clock.jump(6)

    monkeypatch.setattr(MemoryStore, "client", client)
    await check_error(await api.post("/job", body()), 503)


async def test_an_intake_that_is_gone_is_an_outage(api, body):
    mailbox = Mailbox[Submit](1)
    with mailbox:
        pass
    await check_error(await api.with_(intake=mailbox.address).post("/job", body()), 503)


async def test_a_body_that_does_not_come(api, api_key, autojump_clock):
    headers = {"client": "demo-client", "api-key": api_key, "content-length": "10"}
    client = create_app(api.services).test_client(use_cookies=False)
    async with client.request("/job", method="POST", headers=headers) as connection:
        await connection.send(b"{")
    assert connection.status_code == 400


async def test_a_draining_engine_refuses_submissions_and_answers_reads(api, body):
    draining = api.with_(leaving=lambda: True, draining=lambda: True)
    answer = await draining.post("/job", body())
    await check_error(answer, 503)
    assert answer.headers["Connection"] == "close"
    assert "Retry-After" in answer.headers
    await check_error(await draining.get("/readyz"), 503)
    for path in ("/", "/livez", "/jobs", "/health"):
        assert (await draining.get(path)).status_code == 200


async def test_a_stopping_engine_gives_notice_before_it_refuses(api, body):
    leaving = api.with_(leaving=lambda: True)
    answer = await leaving.post("/job", body())
    assert (answer.status_code, answer.headers["Connection"]) == (200, "close")
    answer = await leaving.get("/readyz")
    assert (answer.status_code, answer.headers["Connection"]) == (503, "close")


async def test_a_mirror_that_is_away_is_said_to_be(api, monkeypatch):
    async def total(self):
        raise CountersUnavailable

    monkeypatch.setattr(type(api.services.counters), "total", total)
    content = await (await api.get("/health")).get_json()
    assert content["databases"] == {"redis": "unavailable", "postgres": "OK"}
    assert content["queues"]["work"]["workers"] == 9


async def test_a_mirror_that_hangs_does_not_hold_up(api, monkeypatch, autojump_clock):
    monkeypatch.setattr(type(api.services.counters), "total", hang)
    content = await (await api.get("/health")).get_json()
    assert content["databases"]["redis"] == "unavailable"


async def test_data_that_the_database_refuses_are_left_out_of_the_record(api, body, monkeypatch):
    submit = MemoryStore.submit

    async def choosy(self, batch, now):
        if any(one.submitted for one in batch):
            raise BadInput("text that cannot be stored")
        return await submit(self, batch, now)

    monkeypatch.setattr(MemoryStore, "submit", choosy)
    number, error = await api.refused(body())
    assert error == "text that cannot be stored"
    assert [line.message for line in await api.lines(number)] == [error]
