"""What a client wants of its callbacks, as its receivers see it."""

import json

import pytest
import trio

from taskengine.model import Client
from taskengine.testing.virtual import instance, receiver, workflow

URL = "https://a.test/hook"


@pytest.fixture
def heard():
    return []


async def run_one_job(store, heard, unverified=None, **options):
    """The bodies that a job's only URL was sent."""
    await store.put_client(Client("acme", "hash", options={"callback": options}))
    async with instance(store, http=receiver(heard), unverified=unverified) as engine:
        await engine.submit(workflow("only"), urls=(URL,), content_id="c-1")
        await trio.sleep(20)  # tries are due at once, after 5 s, and 24 s or more after that
    return [json.loads(request.content) for _, request in heard]


async def test_a_body_of_the_clients_own(memory_store, autojump_clock, heard):
    body = {"ref": "{{ body.content_id }}", "what": "job {{ body.job_id }}: {{ event }}", "v": 2}
    assert await run_one_job(memory_store, heard, body=body) == [
        {"ref": "c-1", "what": f"job 1: {event}", "v": 2} for event in ("start", "complete", "end")
    ]


async def test_the_body_that_is_sent_is_what_is_signed(memory_store, autojump_clock, heard):
    [first, *_] = await run_one_job(memory_store, heard, body="{{ event }}", secret="whsec_AAAA")
    assert first == "start"
    names = {name for name in heard[0][1].headers if name.startswith("webhook-")}
    assert names == {"webhook-id", "webhook-timestamp", "webhook-signature"}


async def test_a_body_that_cannot_be_rendered_fails_its_try(memory_store, autojump_clock, heard):
    assert await run_one_job(memory_store, heard, body="{{ body.files }}") == []
    [entry, *_] = await memory_store.callbacks(1)
    assert (entry.state, entry.attempts, entry.status) == ("waiting", 2, None)
    assert entry.error == "TemplateError: {{ body.files }}: 'files' is undefined"


async def test_a_client_may_not_wrap_itself_in_the_engines_headers(
    memory_store, autojump_clock, heard
):
    own = {"Webhook-Id": "mine", "Content-Type": "text/plain", "Authorization": "Bearer abc"}
    await run_one_job(memory_store, heard, headers=own)
    headers = heard[0][1].headers
    assert headers.get_list("webhook-id")[0].startswith("msg_")
    assert headers.get_list("content-type") == ["application/json"]
    assert headers["authorization"] == "Bearer abc"


async def test_receivers_whose_certificates_are_not_verified(memory_store, autojump_clock, heard):
    trusting = []
    await run_one_job(memory_store, heard, unverified=receiver(trusting), verify=False)
    assert (len(heard), len(trusting)) == (0, 3)
