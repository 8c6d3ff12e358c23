"""The header Idempotency-Key on POST /job and /jobs."""

from __future__ import annotations

import pytest
import trio

from taskengine.store import JobFilter
from taskengine.workflows.library import Library

KEY = {"Idempotency-Key": "order 4711"}


async def sent(api, body, path="/job", headers=KEY, **options):
    answer = await api.post(path, body, headers=headers, **options)
    return answer.status_code, await answer.get_json()


async def count(api):
    return len(await api.store.jobs(JobFilter(states=range(7), limit=1000)))


@pytest.mark.parametrize("path", ["/job", "/jobs"])
async def test_the_same_body_again_is_answered_with_the_same_id(api, body, path):
    first = await sent(api, body())
    assert first == (200, {"id": "1", "result": "accepted"})
    assert await sent(api, body(), path) == first
    assert await count(api) == 1


async def test_order_of_keys_and_spaces_do_not_matter(api):
    job, parameters = '{"workflow":"drmswitch"}', '{"content_id":"é","folder":"f"}'
    first = await sent(api, f'{{"job":{job},"parameters":{parameters}}}')
    assert first[0] == 200
    parameters = '{ "folder": "f", "content_id": "\\u00e9" }'
    assert await sent(api, f'{{"parameters": {parameters}, "job":{job}}}') == first


async def test_another_body_is_a_conflict(api, body):
    await sent(api, body())
    status, content = await sent(api, body(folder="elsewhere"))
    assert status == 422
    assert content == {
        "id": "1",
        "error": "Idempotency-Key: the client has used it for another body",
    }
    assert await count(api) == 1


async def test_each_client_has_keys_of_its_own(api, body):
    assert (await sent(api, body()))[1]["id"] == "1"
    assert (await sent(api, {**body(), "client": "other"}, client="other"))[1]["id"] == "2"


async def test_an_admin_uses_the_keys_of_whom_it_names(api, body):
    first = await sent(api, body())
    assert await sent(api, body(), client="root") == first


async def test_a_refused_submission_keeps_its_key_and_its_answer(api, body):
    wrong = body(job={"priority": 11})
    status, content = await sent(api, wrong)
    assert (status, list(content)) == (400, ["id", "error"])
    assert await sent(api, wrong) == (status, content)
    assert (await sent(api, body()))[0] == 422
    assert await count(api) == 1


async def test_the_answer_is_the_first_one_whatever_has_changed_since(api, body):
    accepted = await sent(api, body())
    bare = api.with_(library=lambda: Library())
    assert await sent(bare, body()) == accepted
    other = {"Idempotency-Key": "other"}
    refused = await sent(bare, body(), headers=other)
    assert refused[0] == 400
    assert await sent(api, body(), headers=other) == refused


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a\tb", "\u00e9", "\x7f"])
async def test_a_key_that_is_none_is_refused_with_a_record(api, body, key):
    status, content = await sent(api, body(), headers={"Idempotency-Key": key})
    assert status == 400
    assert content["error"] == "Idempotency-Key: expected 1 to 255 printable ASCII characters"
    assert (await api.job(int(content["id"]))).body_digest is None


async def test_the_longest_key_is_kept(api, body):
    headers = {"Idempotency-Key": "x" * 255}
    assert await sent(api, body(), headers=headers) == await sent(api, body(), headers=headers)


async def test_without_credentials_nothing_is_told_of_a_key(api, body):
    await sent(api, body())
    assert (await sent(api, body(), key="wrong"))[0] == 401


async def test_concurrent_submissions_with_one_key_make_one_job(api, body):
    answers = []

    async def send(folder):
        answers.append(await sent(api, body(folder=folder)))

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(send, f"f{number % 2}")
    assert {content["id"] for _, content in answers} == {"1"}
    assert sorted(status for status, _ in answers) == [200] * 10 + [422] * 10
    assert await count(api) == 1


async def test_a_job_that_was_cleaned_up_meanwhile_is_answered_as_it_was_sent(api, body):
    class Forgetful(type(api.store)):
        async def outline(self, job_id):
            await trio.lowlevel.checkpoint()

    store = Forgetful()
    await store.put_client(await api.store.client("demo-client"))
    assert (await sent(api.with_(store=store), body()))[0] == 200
