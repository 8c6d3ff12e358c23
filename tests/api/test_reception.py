"""Who sends a request is known before its body is asked for, whatever the body is."""

from __future__ import annotations

import json
from itertools import product

import pytest
import trio

from taskengine.api import reception
from taskengine.api.json_body import parse
from taskengine.api.reception import NAMELESS
from taskengine.api.sizes import SMALL_BODY
from tests.api.conftest import KEY
from tests.api.described import routes
from tests.api.test_connections import answer, connected
from tests.api.test_limits import limited

WITH_BODY = [
    (route.method, route.path.replace("<job_id>", "1").replace("<action>", "pause"))
    for route in routes()
    if (route.about and route.about.body is not None) or route.path.endswith("/rerun")
]
STRANGERS = [
    {},
    {"client": "demo-client"},
    {"client": "demo-client", "api-key": "wrong"},
    {"client": "nobody", "api-key": KEY},
    {"client": "nobody", "x-auth-key": "wrong"},
]
SIZES = ["2", "65536", "900000", "16777216", "99999999999", None]  # None: in chunks
KINDS = ["application/json", "text/plain"]


def ask(url, method, path, headers, size, *more):
    """An answer to a head whose body never comes."""
    length = f"Content-Length: {size}" if size else "Transfer-Encoding: chunked"
    lines = [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", length, *lines, *more])
    with connected(url) as connection:
        connection.sendall(f"{head}\r\n\r\n".encode())
        return answer(connection)


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr("taskengine.api.connections.LINGER", 0.01)


def test_there_are_endpoints_with_bodies():
    assert ("POST", "/job") in WITH_BODY
    assert ("POST", "/jobs/1/rerun") in WITH_BODY
    assert ("PUT", "/scheduler") in WITH_BODY
    assert len(WITH_BODY) >= 12


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
def test_a_stranger_is_refused_without_its_body(served_api, hurried, method, path):
    for stranger, size, kind in product(STRANGERS, SIZES, KINDS):
        headers = {**stranger, "Content-Type": kind}
        status, content, closes = ask(served_api, method, path, headers, size)
        assert (status, list(json.loads(content)), closes) == (401, ["error"], "close")


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
def test_a_body_that_names_its_sender_is_small(served_api, hurried, method, path):
    for size in ("65537", "900000", "16777216", "99999999999"):
        status, content, _ = ask(served_api, method, path, {"api-key": KEY}, size)
        assert status == 401
        assert b"send the client header" in content


NAMES_NOBODY = [
    *("", "no json", "[]", "7", "[" * 60_000),
    *('{"client": {}}', '{"client": null}', "{}"),
]


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
async def test_a_small_body_that_names_nobody_is_a_strangers(api, method, path):
    for body, key in product(NAMES_NOBODY, ["wrong", KEY]):
        answer = await api.request(method, path, headers={"api-key": key}, data=body)
        assert answer.status_code == 401
        assert await answer.get_json() == {"error": NAMELESS % "the body names none"}


async def test_more_than_a_small_part_is_not_looked_at(api, body):
    long = json.dumps({**body(), "more": "x" * SMALL_BODY})
    answer = await api.request("POST", "/job", headers={"api-key": KEY}, data=long)
    assert answer.status_code == 401
    assert (await answer.get_json())["error"].endswith("send the client header")
    await api.accepted(long)  # as api.post() sends it
    named = json.dumps({**body(), "more": "x" * (SMALL_BODY - 1000)})
    await api.accepted(named, client=None)


@pytest.mark.parametrize("name", ["client", "cl\\u0069ent"])
async def test_odd_names_in_a_body_are_nobodys(api, name):
    for value in ('"\\u0000"', '"\\ud800"', '"nobody"', "[]", "1e400", '"' + "x" * 50_000 + '"'):
        data = f'{{"{name}": {value}}}'
        answer = await api.request("POST", "/settings", headers={"api-key": KEY}, data=data)
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"client": "demo-client", "api-key": "wrong"}, 401),
        ({"client": "demo-client", "api-key": KEY}, 413),
        ({"client": "demo-client", "api-key": KEY, "Content-Type": "text/plain"}, 415),
        ({"api-key": KEY}, 401),
    ],
)
def test_who_waits_to_be_asked_is_not_asked_in_vain(served_api, headers, status):
    found, _, closes = ask(served_api, "POST", "/job", headers, "2000000", "Expect: 100-continue")
    assert (found, closes) == (status, "close")


def test_who_may_is_asked_for_its_body(served_api, body):
    data = json.dumps(body()).encode()
    with connected(served_api) as connection:
        head = f"POST /job HTTP/1.1\r\nHost: a\r\nclient: demo-client\r\napi-key: {KEY}\r\n"
        head += f"Content-Length: {len(data)}\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(12) == b"HTTP/1.1 100"
        while not connection.recv(1000).endswith(b"\r\n\r\n"):
            pass
        connection.sendall(data)
        assert answer(connection)[0] == 200


async def test_requests_are_counted_before_their_bodies_are_read(api, body, monkeypatch):
    slow, read = limited(api, 1), []

    def counted(function):
        def reading(raw):
            read.append(raw)
            return function(raw)

        return reading

    monkeypatch.setattr("taskengine.api.reading.parse", counted(parse))
    monkeypatch.setattr("taskengine.api.reception._name_in", counted(reception._name_in))
    for client in ("demo-client", None):
        statuses = [(await slow.post("/job", body(), client=client)).status_code for _ in range(9)]
        assert statuses.count(429) >= 5
        assert len(read) <= 4
        read.clear()


async def test_a_body_is_taken_no_faster_than_it_is_wanted(api, monkeypatch):
    """Until the key is verified the server keeps it."""
    asked, known = [], trio.Event()

    class Slow(type(api.store)):
        async def client(self, name):
            await known.wait()
            return await super().client(name)

    slow = api.with_(store=Slow())

    async def receive():
        asked.append(1)
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    async def send(message):
        assert message.get("status", 401) == 401

    headers = [(b"client", b"demo-client"), (b"api-key", b"x"), (b"content-length", b"1000000")]
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": "/job"}
    scope |= {"scheme": "http", "headers": headers, "query_string": b"", "root_path": ""}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(slow.app, {**scope, "server": None, "client": None}, receive, send)
        await trio.testing.wait_all_tasks_blocked()
        assert asked == []
        nursery.cancel_scope.cancel()
