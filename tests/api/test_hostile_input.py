"""Input that no database takes is cleaned or refused before anybody else is harmed (rule 17)."""

from __future__ import annotations

import json

import pytest

from taskengine.model import Severity

BIG = 2**63


async def test_nul_and_lone_surrogates_are_replaced(api, body):
    given = json.dumps(body()).replace("c-77", "c\\u0000-\\ud800-77\\ud83d\\ude00")
    given = given.replace('"folder"', '"fol\\u0000der": 1, "folder"')
    details = await api.job(await api.accepted(given))
    assert details.job.content_id == "c\ufffd-\ufffd-77😀"
    assert details.submitted["fol\ufffdder"] == 1
    for line in await api.lines(details.job.id):
        assert "\x00" not in line.message
        line.message.encode()


@pytest.mark.parametrize("number", ["1e400000", "-1e309", str(BIG), str(-BIG - 1), "9" * 10_000])
async def test_numbers_out_of_range_are_refused(api, body, number):
    given = json.dumps(body(count="@")).replace('"@"', number)
    _, error = await api.refused(given)
    assert "out of range" in error


@pytest.mark.parametrize("number", [BIG - 1, -BIG, 1.5e308, 1e-320])
async def test_numbers_in_range_are_kept(api, body, number):
    details = await api.job(await api.accepted(body(count=number)))
    assert details.submitted["count"] == number


def nested(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value


async def test_nesting_is_bounded(api, body):
    await api.accepted(body(deep=nested(62)))
    _, error = await api.refused(body(deep=nested(63)))
    assert "nested deeper than 64" in error
    _, error = await api.refused(body(deep=nested(300)))
    assert "nested deeper than 64" in error


async def test_a_large_body_is_refused_unread(api, body):
    answer = await api.post("/job", body(text="x" * 1024 * 1024))
    assert answer.status_code == 413
    assert list(await answer.get_json()) == ["error"]


async def test_a_duplicate_key_counts_once(api, body):
    given = json.dumps(body()).replace('"folder"', '"folder": "first", "folder"')
    number = await api.accepted(given)
    assert (await api.job(number)).submitted["folder"] == "vod/c-77"
    warned = [line.message for line in await api.lines(number) if line.severity is Severity.WARN]
    assert warned == ["Key 'folder' stands twice in an object: the last one counts"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "text/html"])
async def test_other_content_types_are_refused(api, body, kind):
    answer = await api.post("/job", body(), headers={"content-type": kind})
    assert answer.status_code == 415
    assert list(await answer.get_json()) == ["error"]


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json", None]
)
async def test_json_and_no_content_type_are_accepted(api, body, kind):
    await api.accepted(body(), headers={"content-type": kind})


@pytest.mark.parametrize(("coding", "status"), [("gzip", 415), ("Identity", 200)])
async def test_a_packed_body_is_told_to_be_one(api, body, coding, status):
    answer = await api.post("/job", body(), headers={"content-encoding": coding})
    assert answer.status_code == status
    assert ("Content-Encoding" in await answer.get_data(as_text=True)) == (status == 415)


@pytest.mark.parametrize("host", ["", "a b", "<script>", "x:y:z", "\u00e9", "x/../y", "[::1"])
async def test_any_host_header_is_lived_with(api, host):
    answer = await api.get("/", headers={"host": host})
    assert answer.content_type == "application/json"
    assert answer.status_code in (200, 400)


@pytest.mark.parametrize(
    "raw", [b"search=\xff", b"search=%00", b"search=%ed%a0%80", b"&&==", b"a" * 9000]
)
async def test_any_query_is_lived_with(api, raw):
    answer = await api.get("/jobs", scope_base={"query_string": raw})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/jobs/\u0663", "/jobs/-1", "/jobs/1.5", "/jobs/x", "/logs/1x"])
async def test_ids_that_are_no_numbers_are_bad_requests(api, path):
    answer = await api.request("GET", "/", scope_base={"path": path})
    assert answer.status_code == 400
    assert "job id" in (await answer.get_json())["error"]


async def test_header_names_of_any_kind_are_logged(api, body):
    number = await api.accepted(body(), headers={"x-caf\u00e9": "1", "X_Under": "\u00fc"})
    assert (await api.lines(number))[0].message.count("job_created") == 1
