"""The log lines that a submission begins with, and what they mask."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest

from taskengine.configuration import Configuration
from taskengine.model import Severity


async def test_undeclared_parameters_are_warned_of(api, body):
    number = await api.accepted(body(unknown=1, custom_data={}, more="x", output_root="y"))
    _, *warnings = await api.lines(number)
    assert [(line.severity, line.progname, line.task_id) for line in warnings] == [
        (Severity.WARN, "api", 0)
    ] * 2
    assert "'unknown'" in warnings[0].message
    assert "'more'" in warnings[1].message
    assert (await api.job(number)).parameters["unknown"] == 1


async def test_the_number_of_warnings_is_bounded(api, body):
    number = await api.accepted(body(**{f"p{index}": 1 for index in range(5000)}))
    lines = await api.lines(number)
    assert len(lines) == 102
    assert "4900 more" in lines[-1].message


async def test_the_first_line_is_that_of_the_contract(api, api_key):
    given = {
        "client": "demo-client",
        "parameters": {
            "folder": "a40fdaff-f904-4ea5-b893-a89152708952",
            "content_id": "a40fdaff-f904-4ea5-b893-a89152708952",
            "rest_endpoints": [
                "https://vis.controlhub.demo-client.vualto.com/api/event/vuflow/taskenginecallback",
                "https://admin.controlhub.demo-client.vualto.com/vod/PublishVuflowData",
            ],
        },
        "job": {"workflow": "drmswitch"},
    }
    headers = {
        "Host": "taskengine.demo-client.vualto.com",
        "Cookie": "session=1234567890",
        "Authorization": "Bearer abcdefgh",
        "X-Api-Key": api_key,
        "Accept-Encoding": "gzip, deflate",
        "User-Agent": "RestSharp/106.3.1.0",
        "Accept": "application/json, application/xml, text/json",
        "X-Auth-Key": api_key,
    }
    number = await api.accepted(
        given, headers=headers, scope_base={"client": ("99.80.104.160", 4711)}
    )
    line = (await api.lines(number))[0]
    assert (line.severity, line.progname, line.task_id) == (Severity.INFO, "api", 0)
    entry = json.loads(line.message)
    assert line.message == json.dumps(entry, separators=(",", ":"))
    assert list(entry) == ["path", "remote_addr", "headers", "parameters", "payload"]
    assert entry["path"] == "POST /job"
    assert entry["remote_addr"] == "99.80.104.160"
    assert entry["payload"] == "job_created"
    assert json.dumps(entry["parameters"]) == json.dumps(given)
    stars = "********************************950e"
    assert list(entry["headers"].items())[:8] == [
        ("HTTP_VERSION", "HTTP/1.1"),
        ("HTTP_X_AUTH_KEY", stars),
        ("HTTP_API_KEY", stars),
        ("HTTP_X_API_KEY", stars),
        ("HTTP_ACCEPT", "application/json, application/xml, text/json"),
        ("HTTP_USER_AGENT", "RestSharp/106.3.1.0"),
        ("HTTP_HOST", "taskengine.demo-client.vualto.com"),
        ("HTTP_ACCEPT_ENCODING", "gzip, deflate"),
    ]
    assert entry["headers"]["HTTP_CLIENT"] == "demo-client"
    assert entry["headers"]["HTTP_COOKIE"] == "*" * len("session=1234567890")
    assert entry["headers"]["HTTP_AUTHORIZATION"] == "*" * len("Bearer abcdefgh")


@pytest.mark.parametrize(
    ("peer", "forwarded", "shown"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("::1", "198.51.100.7, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "<script>", "127.0.0.1"),
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
    ],
)
async def test_only_a_proxy_on_this_host_may_name_the_caller(api, body, peer, forwarded, shown):
    options = {"headers": {"x-forwarded-for": forwarded}, "scope_base": {"client": (peer, 1)}}
    line = (await api.lines(await api.accepted(body(), **options)))[0]
    assert json.loads(line.message)["remote_addr"] == shown


@pytest.mark.parametrize(
    ("peer", "shown"),
    [("10.1.2.3", "203.0.113.9"), ("2001:db8::7", "203.0.113.9"), ("10.1.3.3", "10.1.3.3")],
)
async def test_a_proxy_that_the_configuration_names_may_name_the_caller(api, body, peer, shown):
    proxies = Configuration(proxies="10.1.2.0/24, 2001:db8::7")
    behind = api.with_(configuration=proxies)
    options = {"headers": {"x-forwarded-for": "203.0.113.9"}, "scope_base": {"client": (peer, 1)}}
    line = (await behind.lines(await behind.accepted(body(), **options)))[0]
    assert json.loads(line.message)["remote_addr"] == shown


SECRETS = {"token": "a-token-of-some-1234567890", "content_key": "00112233445566778899aabbccddeeff"}


async def test_secrets_are_masked_in_log_and_reads(api, body):
    number = await api.accepted(body(**SECRETS, custom_data={"seed": "seed-of-some-length"}))
    await check_masked(api, number)
    assert (await api.job(number)).parameters["token"] == SECRETS["token"]


async def test_secrets_of_refused_jobs_are_masked_as_well(api, body):
    number, error = await api.refused(body(**SECRETS, job={"priority": 50}))
    assert SECRETS["token"] not in error
    await check_masked(api, number)
    assert SECRETS["token"] not in json.dumps((await api.job(number)).submitted)


async def check_masked(api, number):
    log = (await (await api.get(f"/logs/{number}?show_all=1")).get_data()).decode()
    job = (await (await api.get(f"/jobs/{number}")).get_data()).decode()
    for secret in (*SECRETS.values(), "seed-of-some-length"):
        assert secret not in log
        assert secret not in job
    assert "*" * 10 + "7890" in log
    assert "*" * 10 + "7890" in job


async def test_secrets_are_masked_in_structures_and_short_ones_wholly(api, body):
    number = await api.accepted(body(content_key=["abcdefgh123456789"], seed="short"))
    shown = (await (await api.get(f"/jobs/{number}")).get_json())["parameters"]
    assert shown["content_key"] == ["*" * 13 + "6789"]
    assert shown["seed"] == "*****"


async def test_the_run_at_line_stands_between_the_others(api, body, now):
    job = {"run_at": (now + timedelta(hours=1)).isoformat()}
    first, second, third = await api.lines(await api.accepted(body(job=job, x=1)))
    assert json.loads(first.message)["payload"] == "job_created"
    assert second.message == 'Job will run at: "2030-01-02T04:04:05.678"'
    assert second.severity is Severity.INFO
    assert third.severity is Severity.WARN


async def test_of_two_such_lines_the_last_one_is_the_proxys(served_api, api_key, body):
    """The first may be the client's own. On a socket, since the test client merges headers."""
    content = body()
    lines = [("x-forwarded-for", "6.6.6.6, 7.7.7.7"), ("x-forwarded-for", "8.8.8.8, 9.9.9.9")]
    headers = [("client", "demo-client"), ("api-key", api_key), *lines]
    async with httpx.AsyncClient(base_url=served_api, headers=headers) as client:
        number = (await client.post("/job", json=content)).json()["id"]
        line = (await client.get(f"/logs/{number}")).json()[0]
    assert json.loads(line["message"])["remote_addr"] == "9.9.9.9"


async def test_a_callback_that_no_address_takes_is_told_at_once(api, body):
    """It would wait for days, and the job's log would say nothing."""
    private = Configuration(outbound_allow=("192.168.0.0/16",))
    urls = ["http://user:s3cret@10.1.2.3/hook?t=s3cret", "http://192.168.1.1/", "https://a.example"]
    strict = api.with_(configuration=private)
    number = await strict.accepted(body(rest_endpoints=urls))
    warned = [line.message for line in await api.lines(number) if line.severity is Severity.WARN]
    assert warned == [
        "No callback will reach http://10.1.2.3/hook: the address is private, and outbound_allow "
        "does not list it"
    ]
