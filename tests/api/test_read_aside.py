"""What workers read is recorded and shown as what is read on the loop."""

from __future__ import annotations

import json
import re

import pytest
import trio

from taskengine.api.heavy import Heavy
from taskengine.model import JsonText
from taskengine.runtime.aside import WorkerEnded, open_workers

LIST = [[number % 10, f"text {number}", None, 1.5, {"é": True}] for number in range(700)]
SECRET = "a-secret-of-many-letters"


@pytest.fixture
async def workers():
    async with open_workers() as aside:
        yield Heavy(aside)


def bodies(body):
    """Submissions of many kinds, each with a large part."""
    large = {"custom_data": LIST, "token": SECRET}
    return [
        body(**large),
        body(**large, job={"priority": 11}),
        body(**large, job={"workflow": "nope"}),
        body(**large, job={"depends_on": [1], "top_of_queue": True, "position": 7}),
        body(**large, job={"depends_on": [99]}),
        body(**large, rest_endpoints="https://a.test/x", undeclared=1),
        body(**large, big=10**30),
        {**body(**large), "client": "other"},
        {**body(**large), "client": "nobody"},
        [],
        7,
    ]


async def answered(api, body, **options):
    """What was answered and recorded, without what differs each time."""
    answer = await api.post("/job", body, **options)
    content = await answer.get_json()
    if "id" not in content:
        return answer.status_code, content
    details = await api.job(int(content.pop("id")))
    stored = [details.job.state, details.job.client, details.submitted, details.parameters]
    told = [(line.severity, line.message) for line in await api.lines(details.job.id)]
    pattern = (
        r'"HTTP_(CONTENT_LENGTH|(X_FORWARDED_)?HOST|X_REQUEST_ID)":"[^"]*"'  # a proxy gives ids
    )
    return answer.status_code, content, stored, [(s, re.sub(pattern, "", m)) for s, m in told]


@pytest.mark.parametrize("client", ["root", "demo-client"])
async def test_submissions_are_alike(api, body, workers, client):
    aside = api.with_(heavy=workers)
    for given in bodies(body):
        text = json.dumps(given).replace('"folder"', '"folder": "first", "folder"')
        text = text.replace("text 17", "text \\u0000 \\ud800")
        seen = await answered(aside, text, client=client)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("taskengine.api.readings.LIGHT", 1 << 30)
            patch.setattr("taskengine.api.readings.is_heavy", lambda raw: False)
            assert seen == await answered(api, text, client=client)
    kinds = {type(row.submission.submitted) for row in api.store.tables.jobs.values()}
    assert kinds == {dict, JsonText}


async def test_a_key_has_the_same_digest_either_way(api, body, workers):
    aside, key = api.with_(heavy=workers), {"Idempotency-Key": "k"}
    first = await aside.accepted(body(custom_data=LIST), headers=key)
    assert await aside.accepted(body(custom_data=LIST), headers=key) == first
    assert await api.accepted(body(custom_data=LIST), headers=key) == first
    assert (await aside.post("/job", body(custom_data=LIST[1:]), headers=key)).status_code == 422


async def test_a_batch_is_read_in_parts(api, body, workers):
    aside = api.with_(heavy=workers)
    items = [body(content_id=f"c{number}", custom_data=LIST) for number in range(20)]
    items[3] = {**items[3], "client": "other"}
    items[5] = {"text": "x" * (1 << 20)}
    items[7] = 7
    answer = await aside.post("/jobs/batch", items, client="root")
    told = await answer.get_json()
    refused = {place: one["status"] for place, one in enumerate(told) if "status" in one}
    assert refused == {5: 413, 7: 400}
    ids = [int(one["id"]) for one in told if "id" in one]
    jobs = [(await api.job(job_id)).job for job_id in ids]
    assert [job.content_id for job in jobs] == [f"c{n}" for n in range(20) if n not in (5, 7)]
    assert [job.client for job in jobs].count("other") == 1


async def test_a_large_job_is_shown_and_its_secrets_are_not(api, body, workers):
    aside = api.with_(heavy=workers)
    number = await aside.accepted(body(custom_data=LIST, token=SECRET))
    shown = await (await aside.get(f"/jobs/{number}")).get_json()
    assert shown["parameters"]["custom_data"] == LIST
    assert SECRET not in json.dumps(shown)
    assert list(shown) == list(await (await api.get(f"/jobs/{number}")).get_json())
    [line, *_] = await aside.lines(number)
    assert SECRET not in line.message


async def test_a_large_update_is_told_in_the_log(api, body, workers):
    aside = api.with_(heavy=workers)
    clips = {"clips": [{"start": "2031-01-01T00:00:00", "end": "2031-01-01T00:01:00"}] * 3000}
    job = {"client": "demo-client", "job": {"workflow": "vodcapture"}, "parameters": clips}
    number = await aside.accepted(job)
    headers = {"client": "demo-client", "api-key": "0f8fad5b-d9cb-469f-a165-70867728950e"}
    update = json.dumps({"run_at": "2030-06-01T00:00:00", "more": LIST})
    answer = await aside.request("PUT", f"/job/{number}", headers=headers, data=update)
    assert answer.status_code == 200
    assert (await api.job(number)).job.run_at.year == 2031  # not before its clips have ended
    messages = [line.message for line in await api.lines(number)]
    assert any("job_updated" in message and "text 699" in message for message in messages)


async def test_what_cannot_be_read_in_time_refuses_no_other(api, body):
    async def aside(function, *args):
        given, *_ = args
        if not isinstance(given, bytes) and any(b"hang" in item.raw for item in given):
            raise WorkerEnded
        await trio.lowlevel.checkpoint()
        return function(*args)

    slow = api.with_(heavy=Heavy(aside))
    hanging = body(custom_data=[*LIST, "hang"])
    answer = await slow.post("/job", hanging)
    assert answer.status_code == 400
    assert "too long" in (await answer.get_json())["error"]
    items = [body(custom_data=LIST), hanging, body(custom_data=LIST), body()]
    told = await (await slow.post("/jobs/batch", items)).get_json()
    assert [one.get("status", 200) for one in told] == [200, 400, 200, 200]
