"""POST /jobs/batch: each submission is answered by itself, in order."""

from __future__ import annotations

import pytest
import trio

from taskengine.model import StoreUnavailable
from taskengine.runtime.mailbox import Mailbox
from taskengine.store import JobFilter

PATH = "/jobs/batch"


async def sent(api, body, **options):
    answer = await api.post(PATH, body, **options)
    return answer.status_code, await answer.get_json()


async def accepted(api, body, **options):
    status, content = await sent(api, body, **options)
    assert status == 200, content
    return content


async def test_ids_come_in_order(api, body):
    answers = await accepted(api, [body(content_id=f"c{number}") for number in range(250)])
    assert [list(answer) for answer in answers] == [["id", "result"]] * 250
    ids = [int(answer["id"]) for answer in answers]
    assert ids == sorted(ids)
    assert (await api.job(ids[249])).job.content_id == "c249"


async def test_items_of_a_batch_may_stand_in_an_object(api, body):
    assert await accepted(api, {"jobs": [body()]}) == [{"id": "1", "result": "accepted"}]
    named = {"client": "demo-client", "jobs": [body()]}
    assert (await accepted(api, named, headers={"client": None}))[0]["id"] == "2"


async def test_an_empty_batch_is_answered_with_nothing(api):
    assert await accepted(api, []) == []


async def test_one_bad_item_fails_no_other(api, body):
    deep = []
    for _ in range(80):
        deep = [deep]
    items = [
        body(),
        body(job={"priority": 11}),
        7,
        {**body(), "client": "other"},
        body(custom_data=deep),
        {},
        body(content_id="last"),
    ]
    answers = await accepted(api, items)
    assert [answer.get("status", 200) for answer in answers] == [200, 400, 400, 403, 400, 400, 200]
    assert answers[1] == {"id": "2", "error": answers[1]["error"], "status": 400}
    assert answers[2] == {"error": "expected a JSON object", "status": 400}
    assert [("id" in answer) for answer in answers] == [True, True, False, False, True, True, True]


async def test_an_admin_submits_for_others(api, body):
    items = [body(), {**body(), "client": "other"}, {**body(), "client": "nobody"}]
    answers = await accepted(api, items, client="root")
    assert answers[2] == {"error": "client: there is no such client", "status": 400}
    owners = [(await api.job(int(answer["id"]))).job.client for answer in answers[:2]]
    assert owners == ["demo-client", "other"]


async def test_the_client_beside_the_jobs_is_that_of_all(api, body):
    item = {key: value for key, value in body().items() if key != "client"}
    batch = {"client": "other", "jobs": [item]}
    [answer] = await accepted(api, batch, client="root")
    assert (await api.job(int(answer["id"]))).job.client == "other"
    assert (await sent(api, batch))[0] == 403


@pytest.mark.parametrize("batch", ["", "{}", "7", '{"jobs": {}}', "[NaN]", "[" * 20_000])
async def test_what_is_no_batch_is_refused(api, batch):
    status, content = await sent(api, batch)
    assert (status, list(content)) == (400, ["error"])


async def test_a_thousand_are_the_most(api):
    assert len(await accepted(api, [7] * 1000)) == 1000
    assert (await sent(api, [7] * 1001))[0] == 400


async def test_the_body_may_be_larger_than_that_of_others(api, body):
    text = "x" * 700_000
    answers = await accepted(api, [body(custom_data=text), body(custom_data=text * 2), body()])
    assert [answer.get("status") for answer in answers] == [None, 413, None]
    status, content = await sent(api, [body(custom_data="x" * (16 << 20))])
    assert (status, content) == (413, {"error": "the body is larger than 16 MiB"})
    answer = await api.post("/jobs", body(custom_data=text * 2))
    assert answer.status_code == 413
    assert await answer.get_json() == {"error": "the body is larger than 1 MiB"}


async def test_each_item_has_a_key_of_its_own(api, body):
    key = {"Idempotency-Key": "k"}
    wrong = body(job={"priority": 11})
    first = await accepted(api, [body(), body(folder="b"), wrong], headers=key)
    assert await accepted(api, [body(), body(folder="b"), wrong], headers=key) == first
    [same, other] = await accepted(api, [body(), body(folder="c")], headers=key)
    assert same == first[0]
    assert (other["id"], other["status"]) == (first[1]["id"], 422)
    alone = await api.post("/job", body(folder="b"), headers={"Idempotency-Key": "k/1"})
    assert await alone.get_json() == first[1]


@pytest.mark.parametrize("key", ["", "x" * 251])
async def test_a_key_that_is_none_refuses_the_batch(api, body, key):
    assert (await sent(api, [body()], headers={"Idempotency-Key": key}))[0] == 400
    assert await api.store.jobs(JobFilter()) == []


async def test_credentials_come_first(api):
    assert (await sent(api, "no JSON", key="wrong"))[0] == 401
    assert (await sent(api, [], headers={"client": None}))[0] == 401
    assert (await sent(api, [], headers={"content-type": "text/plain"}))[0] == 415


async def test_a_stopping_engine_takes_none(api, body):
    assert (await sent(api.with_(draining=lambda: True), [body()]))[0] == 503


async def test_an_outage_is_told_of_each(api, body):
    with Mailbox(10) as mailbox:

        async def refuse():
            async for delivery in mailbox:
                with delivery:
                    delivery.reply(StoreUnavailable("away"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(refuse)
            answers = await accepted(api.with_(intake=mailbox.address), [body(), 7])
            nursery.cancel_scope.cancel()
    assert [answer["status"] for answer in answers] == [503, 400]


async def test_an_intake_that_is_gone_fails_what_it_had(api, body):
    with Mailbox(10) as mailbox:
        pass
    answers = await accepted(api.with_(intake=mailbox.address), [body(), 7])
    assert [answer["status"] for answer in answers] == [503, 400]


async def test_what_is_not_answered_in_time_is_told_so(api, body, monkeypatch):
    monkeypatch.setattr("taskengine.api.resources.batch.REQUEST_DEADLINE", 0.05)
    with Mailbox(10) as mailbox:
        answers = await accepted(api.with_(intake=mailbox.address), [body()])
    assert answers == [{"error": "the database is not available", "status": 503}]
