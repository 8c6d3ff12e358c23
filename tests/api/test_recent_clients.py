"""Who submits in crowds is not looked up each time, and never let in with what holds no more."""

from dataclasses import replace

import trio

from taskengine.api_keys import hash_key
from tests.api.conftest import job_body


async def counted(client, monkeypatch):
    """How often the client's row is read."""
    reads, read = [], client.api.store.client

    async def counting(name):
        reads.append(name)
        return await read(name)

    monkeypatch.setattr(client.api.store, "client", counting)
    return reads


async def test_a_crowd_of_submissions_reads_its_client_once(client, monkeypatch):
    reads = await counted(client, monkeypatch)
    for _ in range(5):
        status, _ = await client.send("POST", "/job", job_body())
        assert status == 200
    assert reads == ["demo-client"]


async def test_a_key_that_was_replaced_lets_nobody_in(client):
    assert (await client.send("POST", "/job", job_body()))[0] == 200
    before = await client.api.store.client("demo-client")
    await client.api.store.put_client(replace(before, key_hash=hash_key("another")))
    assert (await client.send("POST", "/job", job_body()))[0] == 401
    await client.api.store.put_client(before)
    assert (await client.send("POST", "/job", job_body()))[0] == 200


async def test_a_client_that_was_removed_submits_nothing(client):
    assert (await client.send("POST", "/job", job_body()))[0] == 200
    await client.api.store.remove_client("demo-client")
    assert (await client.send("POST", "/job", job_body()))[0] == 401
    assert await client.api.store.job(2) is None


async def test_a_job_has_the_options_that_its_client_has_now(client):
    assert (await client.send("POST", "/job", job_body()))[0] == 200
    before = await client.api.store.client("demo-client")
    await client.api.store.put_client(replace(before, options={"storage": "azure_blob"}))
    status, answer = await client.send("POST", "/job", job_body())
    assert status == 200
    assert (await client.api.store.job(int(answer["id"]))).client_scope["storage"] == "azure_blob"


async def test_a_client_is_read_again_after_a_second(client, monkeypatch):
    reads = await counted(client, monkeypatch)
    await client.send("POST", "/job", job_body())
    await trio.sleep(1.1)
    await client.send("POST", "/job", job_body())
    assert reads == ["demo-client", "demo-client"]
