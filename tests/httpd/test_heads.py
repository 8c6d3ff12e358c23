"""Heads of requests: in time, or the connection ends; a place goes to who needs it."""

import json

import pytest
import trio

from taskengine.httpd.limits import ConnectionLimits
from taskengine.httpd.places import Places

ASK = "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"


def answered(text):
    """Status, headers and JSON of the one answer in the text."""
    head, _, body = text.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert int(headers["content-length"]) == len(body)
    return int(first.split()[1]), headers, json.loads(body)


def refused(text, status):
    found, headers, body = answered(text)
    assert found == status
    assert list(body) == ["error"]
    assert headers["connection"] == "close"
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"
    return body["error"]


async def test_a_head_has_ten_seconds_from_its_first_byte(open_talk, autojump_clock):
    talk = await open_talk()
    await trio.sleep(9)
    start = trio.current_time()
    for letter in "GET / HTTP/":
        await talk.send(letter)
        await trio.sleep(0.9)
    assert "in time" in refused(await talk.rest(), 408)
    assert trio.current_time() - start == pytest.approx(10, abs=0.1)


async def test_a_client_that_says_nothing_is_hung_up_on(open_talk, autojump_clock):
    talk = await open_talk()
    assert await talk.rest() == b""
    assert trio.current_time() == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize("url", ["http://[::1/jobs", "http://x]/", "https://[v1.x/"])
async def test_a_url_that_nobody_can_read_is_refused(open_talk, url, autojump_clock):
    talk = await open_talk()
    await talk.send(f"GET {url} HTTP/1.1\r\nHost: x\r\n\r\n")
    assert refused(await talk.rest(), 400) == "the URL of the request cannot be read"


async def test_between_two_requests_there_is_more_time(open_talk, autojump_clock):
    talk = await open_talk()
    for number in range(3):
        await trio.sleep(70 if number else 0)
        await talk.send(ASK % number)
        assert (await talk.some()).endswith(f"GET /{number}  ".encode())
    start = trio.current_time()
    assert await talk.rest() == b""
    assert trio.current_time() - start == pytest.approx(75, abs=0.1)


async def test_a_second_head_has_ten_seconds_too(open_talk, autojump_clock):
    talk = await open_talk()
    await talk.send(ASK % "first" + "GET /second HT")
    await talk.some()
    refused(await talk.rest(), 408)
    assert trio.current_time() == pytest.approx(10, abs=0.1)


async def test_requests_of_single_bytes_are_served(open_talk, app, autojump_clock):
    talk = await open_talk()
    body = "Content-Length: 4\r\n\r\nabcd"
    for letter in f"POST /job?a=b HTTP/1.1\r\nHost: x\r\n{body}":
        await talk.send(letter)
        await trio.sleep(0.05)
    assert (await talk.some()).endswith(b"POST /job a=b abcd")


async def test_pipelined_requests_are_answered_in_order(open_talk, app, autojump_clock):
    talk = await open_talk()
    await talk.send("".join(ASK % number for number in range(5)))
    await talk.stream.send_stream.aclose()
    text = await talk.rest()
    assert [text.index(f"GET /{number}  ".encode()) for number in range(5)] == sorted(
        text.index(f"GET /{number}  ".encode()) for number in range(5)
    )
    assert app.asked == [f"/{number}" for number in range(5)]


async def test_the_one_that_waited_longest_leaves_its_place(open_talk, autojump_clock):
    places = Places(ConnectionLimits(connections=3))
    begun = await open_talk(places, "127.0.0.1")
    await begun.send("GET / HTT")
    unused, used = [await open_talk(places, "127.0.0.1") for _ in range(2)]
    await used.send(ASK % "used")
    await used.some()
    busy = [await open_talk(places, "127.0.0.1")]
    assert (unused.ended.is_set(), used.ended.is_set()) == (True, False)
    await busy[0].send(ASK % "sleep/100")
    busy.append(await open_talk(places, "127.0.0.1"))
    assert used.ended.is_set()
    await busy[1].send(ASK % "sleep/100")
    await trio.testing.wait_all_tasks_blocked()
    assert not begun.ended.is_set()
    busy.append(await open_talk(places, "127.0.0.1"))
    assert "too many" in refused(await begun.rest(), 503)
    await busy[2].send(ASK % "sleep/100")
    await trio.testing.wait_all_tasks_blocked()
    assert (await open_talk(places, "127.0.0.1")).ended.is_set(), "all are busy"
    for talk in busy:
        assert (await talk.some()).endswith(b"GET /sleep/100  ")
    assert len(places) == 3


async def test_an_address_has_no_more_than_its_share(open_talk, autojump_clock):
    places = Places(ConnectionLimits(connections=100, connections_per_address=2))
    busy = [await open_talk(places, f"2001:db8::{number}") for number in (1, 2)]
    for talk in busy:
        await talk.send(ASK % "sleep/100")
    await trio.testing.wait_all_tasks_blocked()
    assert (await open_talk(places, "2001:db8::3")).ended.is_set()
    others = ["2001:db8:1::1", "192.0.2.1", "127.0.0.1", *["::1"] * 5, *["::ffff:127.0.0.1"] * 5]
    for address in others:
        talk = await open_talk(places, address)
        await talk.send(ASK % address)
        assert (await talk.some()).endswith(f"GET /{address}  ".encode())
    assert len(places) == 2 + len(others)
    for talk in busy:
        await talk.some()
        await talk.stream.aclose()
    await trio.testing.wait_all_tasks_blocked()
    talk = await open_talk(places, "2001:db8::3")
    await talk.send(ASK % "again")
    assert (await talk.some()).endswith(b"GET /again  ")


async def test_few_places_are_never_all_for_one_address(open_talk, autojump_clock):
    places = Places(ConnectionLimits(connections=5, connections_per_address=500))
    for _ in range(3):
        await (await open_talk(places)).send(ASK % "sleep/100")
        await trio.testing.wait_all_tasks_blocked()
    assert (await open_talk(places)).ended.is_set()
    assert len(places) == 3


@pytest.mark.parametrize(
    ("sent", "status", "told"),
    [
        ("GET /jobs?search=Müller HTTP/1.1\r\nHost: x\r\n\r\n", 400, "percent-encoded"),
        ("GET /jöbs HTTP/1.1\r\nHost: x\r\n\r\n", 400, "percent-encoded"),
        (b"GET /jobs?a=\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400, "percent-encoded"),
        ("GET / HTTP/1.1\r\n\r\n", 400, "Host"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "Host"),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", 400, "Content-Length"),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, "Content-Length"),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            400,
            "Content-Length",
        ),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "chunked"),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
            "0\r\n\r\n" + ASK % "smuggled",
            400,
            "exclude",
        ),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "HTTP/1.0"),
        ("get / HTTP/1.1\r\nHost: x\r\n\r\n", 501, "upper case"),
        ("Get / HTTP/1.1\r\nHost: x\r\n\r\n", 501, "upper case"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/2.0"),
        ("GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505, "HTTP/3.0"),
        ("GET /\r\n\r\n", 400, "request line"),
        ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "request line"),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "request line"),
        ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, "header line"),
        ("GET / HTTP/1.1\r\nHost: x\r\napi-key: top\x00secret\r\n\r\n", 400, "header line"),
        ("GET / HTTP/1.1\r\nHost: x\r\n folded\r\nx\r\n\r\n", 400, "header line"),
        ("GET /" + "a" * 70_000, 414, "line is too long"),
        ("GET / HTTP/1.1\r\nHost: x\r\nX: " + "a" * 70_000, 431, "head of the request is too"),
        ("GET / HTTP/1.1\r\n" + "X: y\r\n" * 20_000, 431, "head of the request is too large"),
        ("GET / HTTP/1.1\r\nHo", 400, "closed"),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            400,
            "chunk header",
        ),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc", 400, "complete"),
    ],
)
async def test_what_is_no_request_is_told_so_in_json(open_talk, app, sent, status, told):
    talk = await open_talk()
    await talk.send(sent)
    await talk.stream.send_stream.aclose()
    error = refused(await talk.rest(), status)
    assert told in error
    assert "secret" not in error
    assert "/smuggled" not in app.asked


@pytest.mark.parametrize(
    "header",
    [
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n"
        "Sec-WebSocket-Version: 13",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        "Upgrade: TLS/1.0\r\nConnection: Upgrade",
    ],
)
async def test_an_upgrade_is_ignored(open_talk, header):
    talk = await open_talk()
    for number in range(2):
        await talk.send(f"GET /{number} HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n")
        text = await talk.some()
        assert text.startswith(b"HTTP/1.1 200 ")
        assert b"x-content-type-options: nosniff" in text
        assert text.endswith(f"GET /{number}  ".encode())


async def test_an_application_that_does_not_answer_is_an_error_in_json(nursery, open_talk, app):
    talk = await open_talk()
    app.asked = None  # it fails
    await talk.send(ASK % "x")
    assert refused(await talk.rest(), 500) == "internal error"


async def test_small_chunks_leave_the_loop_to_others(nursery, open_talk):
    """Thousands of them come at once; others have their turn between any two."""
    turns = 0

    async def neighbour():
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    talk = await open_talk()
    head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    nursery.start_soon(neighbour)
    await talk.send(head + "1\r\na\r\n" * 3000 + "0\r\n\r\n")
    assert (await talk.some()).endswith(b"a" * 3000)
    assert turns >= 3000
    nursery.cancel_scope.cancel()


async def test_who_waits_to_be_asked_for_a_body_is_asked(open_talk):
    talk = await open_talk()
    expect = "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    await talk.send(f"POST / HTTP/1.1\r\nHost: x\r\n{expect}")
    assert (await talk.some()).startswith(b"HTTP/1.1 100 ")
    await talk.send("ab")
    assert (await talk.some()).endswith(b"POST /  ab")


async def chunked(talk, chunks):
    head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    await talk.send(head + "".join(f"{len(chunk):x}\r\n{chunk}\r\n" for chunk in chunks))
    await talk.send("0\r\n\r\n")


async def test_a_body_in_too_many_small_chunks_is_refused(open_talk, app):
    """Its chunks cost more than all that is in them."""
    talk = await open_talk()
    await chunked(talk, ["a"] * 10_000)
    assert "too many small chunks" in refused(await talk.rest(), 400)
    assert app.departures == 1


async def test_a_body_that_is_written_value_by_value_is_served(open_talk):
    talk = await open_talk()
    await chunked(talk, ["a" * 40, ","] * 4_000)
    assert len(await talk.some()) > 164_000
