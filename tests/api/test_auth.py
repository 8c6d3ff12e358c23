"""Clients and their keys (A7, A8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import trio

from taskengine import api_keys
from taskengine.configuration import Configuration


def test_keys_are_long_and_their_hashes_salted():
    key = api_keys.new_key()
    first, second = api_keys.hash_key(key), api_keys.hash_key(key)
    assert len(key) == 36
    assert first != second
    assert first.startswith("sha256$")
    assert key not in first
    assert api_keys.verify(key, first)
    assert api_keys.verify(key, second)


@pytest.mark.parametrize(
    "stored", ["", "sha256$", "sha256$$", "md5$a$b", "x", "sha256$salt$\u00e9"]
)
def test_a_broken_hash_lets_nobody_in(stored):
    assert not api_keys.verify("", stored)
    assert not api_keys.verify("key", stored)


def test_a_hash_of_another_scheme_lets_nobody_in():
    assert not api_keys.verify("key", api_keys.hash_key("key").replace("sha256", "md5"))


@pytest.mark.parametrize("name", ["api-key", "x-api-key", "x-auth-key", "API-KEY"])
async def test_the_key_has_three_names(api, body, api_key, name):
    await api.accepted(body(), headers={"api-key": None, name: api_key})


async def test_the_client_may_stand_in_the_body(api, body):
    number = await api.accepted(body(), client=None)
    assert (await api.job(number)).job.client == "demo-client"


@pytest.mark.parametrize(
    ("client", "key"),
    [("demo-client", "wrong"), ("nobody", None), ("", None), ("demo-client", ""), ("é", None)],
)
async def test_wrong_credentials_are_a_401_and_leave_no_record(api, api_key, body, client, key):
    given = {**body(), "client": None}
    answer = await api.post(
        "/job", given, client=client, key=api_key if key is None else key or None
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"]
    assert list(await answer.get_json()) == ["error"]
    assert api.store.tables.jobs == {}


async def test_an_unknown_client_is_verified_as_well(api, body, monkeypatch):
    calls = []
    verify = api_keys.verify

    def counted(key, stored):
        calls.append(stored)
        return verify(key, stored)

    monkeypatch.setattr(api_keys, "verify", counted)
    await api.post("/job", body(), client="nobody")
    (stored,) = calls
    assert len(stored) == len(api_keys.hash_key("any"))


@pytest.mark.parametrize(("ahead", "opens"), [(1, True), (0, False), (-1, False)])
async def test_the_key_before_opens_until_its_time_is_over(api, body, api_key, now, ahead, opens):
    client = await api.store.client("demo-client")
    until = now + timedelta(milliseconds=ahead)
    await api.store.put_client(api_keys.rotated(client, "another-key", until))
    status = (await api.post("/job", body(), key=api_key)).status_code
    assert status == (200 if opens else 401)
    assert (await api.post("/job", body(), key="another-key")).status_code == 200
    assert (await api.post("/job", body(), key="a-third-key")).status_code == 401


async def test_without_a_key_nothing_is_read(api):
    answer = await api.post("/job", "no json", key=None)
    assert answer.status_code == 401


async def test_header_and_body_have_to_agree(api, body):
    answer = await api.post("/job", body(), client="other")
    assert answer.status_code == 403
    assert list(await answer.get_json()) == ["error"]
    assert api.store.tables.jobs == {}


async def test_an_admin_submits_for_others(api, body):
    number = await api.accepted(body(), client="root")
    assert (await api.job(number)).job.client == "demo-client"
    answer = await api.post("/job", {**body(), "client": "nobody"}, client="root")
    assert answer.status_code == 400
    assert list(await answer.get_json()) == ["error"]


@pytest.mark.parametrize("path", ["/health", "/settings", "/schedules", "/workflows"])
async def test_some_reads_always_need_credentials(api, path):
    assert (await api.get(path)).status_code == 200
    assert (await api.request("GET", path)).status_code == 401
    assert (await api.get(path, key="wrong")).status_code == 401


@pytest.mark.parametrize("path", ["/dashboard", "/jobs", "/jobs/1", "/logs/1"])
async def test_reads_are_public_unless_closed(api, body, path):
    await api.accepted(body())
    assert (await api.request("GET", path)).status_code == 200
    closed = closed_to_public(api)
    assert (await closed.request("GET", path)).status_code == 401
    assert (await closed.get(path)).status_code == 200
    assert (await closed.get(path, client="root")).status_code == 200


async def test_closed_reads_show_a_client_its_own(api, body):
    await api.accepted(body())
    closed = closed_to_public(api)
    assert (await closed.get("/jobs/1", client="other")).status_code == 403
    assert (await closed.get("/logs/1", client="other")).status_code == 403
    assert (await closed.get("/jobs?client=demo-client", client="other")).status_code == 403
    assert await (await closed.get("/jobs", client="other")).get_json() == []
    dashboard = await (await closed.get("/dashboard", client="other")).get_json()
    assert dashboard["queued"] == []
    assert len(await (await closed.get("/jobs", client="root")).get_json()) == 1


def closed_to_public(api):
    configuration = api.services.configuration.model_copy(update={"public_reads": False})
    return replace(api, services=replace(api.services, configuration=configuration))


async def test_refused_keys_are_told_of_without_the_key(api, body, caplog, autojump_clock):
    for _ in range(3):
        await api.post("/job", body(), client="nobody", key="wrong-key-1234")
    await api.post("/job", body(), client="demo-client", key="wrong-key-1234")  # as far as told
    await trio.sleep(61)
    await api.post("/job", body(), client="somebody", key="wrong-key-1234")
    told = [record.getMessage() for record in caplog.records]
    address = told[0].partition(" from ")[2]
    assert told == [
        f"wrong api-key or no such client: 'nobody' from {address}",
        f"wrong api-key or no such client: 'somebody' from {address}; 3 more from there since the "
        "last line",
    ]
    assert "wrong-key-1234" not in caplog.text
    text = (await (await api.get("/metrics")).get_data()).decode()
    assert "taskengine_refused_keys_total 5.0" in text


async def test_many_addresses_write_few_lines_and_take_little_memory(api, body, caplog):
    for number in range(40):
        await api.post("/job", body(), key="wrong", scope_base={"client": (f"192.0.2.{number}", 1)})
    assert len(caplog.records) == 20


HOSTS = {  # under loopback, without a key: who is answered
    **dict.fromkeys(("localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "engine"), 200),
    **dict.fromkeys(("a.localhost", "10.0.0.1", "engine.test", "ENGINE.test.:443"), 200),
    **dict.fromkeys(
        ("evil.example", "evil.example:8080", "127.0.0.1.evil.example", "1.2.3.4x"), 421
    ),
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", ["/jobs", "/dashboard", "/jobs/1", "/logs/1", "/jobs/1/explain"])
async def test_a_strange_name_reads_nothing_without_a_key(api, body, api_key, host, path):
    """A page whose name leads here would be let in by the browser of this machine."""
    await api.accepted(body())
    served = api.with_(configuration=Configuration(hosts=("engine.test",)))
    answers = [
        await served.request("GET", path, headers={"host": host, **headers}, scope_base=PEER)
        for headers in ({}, {"client": "demo-client", "api-key": api_key})
    ]
    assert [answer.status_code for answer in answers] == [HOSTS[host], 200]
    wrong = {"host": host, "client": "demo-client", "api-key": "wrong"}
    answer = await served.request("GET", path, headers=wrong, scope_base=PEER)
    assert answer.status_code == (401 if HOSTS[host] == 421 else 200)


PEER = {"client": ("127.0.0.1", 4711)}


async def test_who_comes_from_elsewhere_may_use_any_name_unless_some_are_listed(api):
    headers, elsewhere = {"host": "evil.example"}, {"client": ("192.0.2.1", 4711)}
    for hosts, peer, status in (
        ((), PEER, 421),
        ((), elsewhere, 200),
        (("a.test",), elsewhere, 421),
        (("*",), PEER, 200),
    ):
        served = api.with_(configuration=Configuration(hosts=hosts))
        answer = await served.request("GET", "/jobs", headers=headers, scope_base=peer)
        assert answer.status_code == status
        if status == 421:
            assert (
                "the setting hosts does not list evil.example" in (await answer.get_json())["error"]
            )
