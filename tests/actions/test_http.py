import json

import httpx
import pytest
import trio

from taskengine.actions import find_actions
from taskengine.actions.http import BODY_LIMIT
from taskengine.model import FenceMoved, PermanentFailure
from taskengine.outbound import AddressRefused, RequestFailed
from taskengine.testing.actions import fake_context

REQUEST = find_actions()["http.request"]
URL = "https://api.example/items?key=hidden"


class Peer:
    """The other side: answers with `answer`, or raises it; keeps the requests."""

    def __init__(self, answer=None):
        self.answer = answer or httpx.Response(200)
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def peer():
    return Peer()


@pytest.fixture
def attempt(tmp_path, peer):
    return fake_context(tmp_path, answer=peer)


async def test_a_get_brings_json(attempt, peer):
    context, journal = attempt
    peer.answer = httpx.Response(200, json={"a": [1]})
    result = await REQUEST(context, {"url": URL, "headers": {"x-a": "b"}})
    assert (result["status"], result["body"]) == (200, {"a": [1]})
    assert result["headers"]["content-type"] == "application/json"
    [request] = peer.requests
    assert (request.method, str(request.url), request.headers["x-a"]) == ("GET", URL, "b")
    assert "idempotency-key" not in request.headers
    assert journal.confirmations == 0


async def test_a_post_carries_json_and_the_key_of_the_task(attempt, peer):
    context, journal = attempt
    await REQUEST(context, {"url": URL, "method": "post", "body": {"a": 1}})
    [request] = peer.requests
    assert request.method == "POST"
    assert json.loads(request.content) == {"a": 1}
    assert request.headers["idempotency-key"] == context.key
    assert journal.confirmations == 1


async def test_a_key_of_the_workflow_goes_before(attempt, peer):
    values = {"url": URL, "method": "PUT", "headers": {"IDEMPOTENCY-KEY": "own"}}
    await REQUEST(attempt[0], values)
    assert peer.requests[0].headers.get_list("idempotency-key") == ["own"]


async def test_an_attempt_that_is_no_longer_wanted_changes_nothing(attempt, peer):
    context, journal = attempt
    journal.refusal = FenceMoved()
    with pytest.raises(FenceMoved):
        await REQUEST(context, {"url": URL, "method": "DELETE"})
    assert peer.requests == []


@pytest.mark.parametrize("status", [301, 400, 401, 404, 409, 410, 422])
async def test_an_answer_that_another_try_would_not_change(attempt, peer, status):
    peer.answer = httpx.Response(status)
    with pytest.raises(PermanentFailure, match=rf"^GET api\.example/items: status {status}$"):
        await REQUEST(attempt[0], {"url": URL})


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
async def test_an_answer_that_another_try_may_change(attempt, peer, status):
    peer.answer = httpx.Response(status)
    with pytest.raises(RequestFailed, match=f"status {status}"):
        await REQUEST(attempt[0], {"url": URL})


async def test_what_is_expected_is_no_failure(attempt, peer):
    peer.answer = httpx.Response(404, text="gone")
    result = await REQUEST(attempt[0], {"url": URL, "expect": [200, 404]})
    assert (result["status"], result["body"]) == (404, "gone")


async def test_another_success_than_the_expected_one_is_waited_out(attempt, peer):
    peer.answer = httpx.Response(202)
    with pytest.raises(RequestFailed, match="status 202"):
        await REQUEST(attempt[0], {"url": URL, "expect": [200]})


@pytest.mark.parametrize(
    ("error", "told"),
    [(httpx.ConnectError("no route"), "no route"), (httpx.ReadTimeout(""), "ReadTimeout")],
)
async def test_a_network_error_may_pass(attempt, peer, error, told):
    peer.answer = error
    with pytest.raises(RequestFailed, match=rf"^GET api\.example/items: {told}$"):
        await REQUEST(attempt[0], {"url": URL})


@pytest.mark.parametrize(
    "error", [AddressRefused("api.example"), httpx.UnsupportedProtocol("expected http")]
)
async def test_an_address_that_may_not_be_reached(attempt, peer, error):
    peer.answer = error
    with pytest.raises(PermanentFailure, match=str(error)):
        await REQUEST(attempt[0], {"url": URL})


@pytest.mark.parametrize(
    "values",
    [
        {"url": "https://api.example:port/"},
        {"url": URL, "headers": {"x-a": "ü"}},
        {"url": URL, "body": float("nan")},
        {"url": URL, "expect": "all"},
        {},
    ],
)
async def test_a_request_that_cannot_be_made(attempt, peer, values):
    with pytest.raises(PermanentFailure):
        await REQUEST(attempt[0], values)
    assert peer.requests == []


async def test_the_time_limit_is_that_of_the_whole_request(attempt, autojump_clock):
    async def drip(request):
        return httpx.Response(200, stream=Drops())

    class Drops(httpx.AsyncByteStream):
        async def __aiter__(self):
            while True:
                await trio.sleep(1)
                yield b"."

    context, _ = attempt
    context.http._transport = httpx.MockTransport(drip)
    with pytest.raises(RequestFailed, match=r"no answer within 2\.5 s"):
        await REQUEST(context, {"url": URL, "timeout": 2.5})
    assert trio.current_time() == 2.5


async def test_a_long_answer_is_cut_and_the_log_says_so(attempt, peer):
    context, journal = attempt
    peer.answer = httpx.Response(200, text="a" * (BODY_LIMIT + 1))
    assert (await REQUEST(context, {"url": URL}))["body"] == "a" * BODY_LIMIT
    assert "longer than 256 KiB" in journal.shown[0]


async def test_an_answer_of_just_that_length_is_whole(attempt, peer):
    context, journal = attempt
    peer.answer = httpx.Response(200, text="a" * BODY_LIMIT)
    assert len((await REQUEST(context, {"url": URL}))["body"]) == BODY_LIMIT
    assert journal.lines == []


@pytest.mark.parametrize(
    ("content_type", "content", "expected"),
    [
        ("application/problem+json; charset=utf-8", b'{"a": null}', {"a": None}),
        ("text/plain", b'{"a": null}', '{"a": null}'),
        ("application/json", b"", ""),
        ("application/json", b"{", "{"),
        ("application/json", b"[" * 100_000, "[" * 100_000),
        ("application/json", b"NaN", "NaN"),
        ("application/json", b"1e999", "1e999"),
        ("application/json", rb'"\u0000"', r'"\u0000"'),
        ("application/json", rb'"\ud800"', r'"\ud800"'),
        ("application/json", rb'"\ud83d\ude00"', "😀"),
        ("text/plain", b"a\0b\xff", "a\ufffdb\ufffd"),
    ],
)
async def test_what_becomes_of_a_body(attempt, peer, content_type, content, expected):
    """Only what the store can keep is JSON."""
    headers = {"content-type": content_type}
    peer.answer = httpx.Response(200, content=content, headers=headers)
    assert (await REQUEST(attempt[0], {"url": URL}))["body"] == expected
