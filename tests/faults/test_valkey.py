"""Valkey stands still, is emptied, is killed: nobody notices but the mirror (promise 8)."""

from __future__ import annotations

import json
import os
import signal

import redis.asyncio
import trio
import trio_asyncio
from trio_asyncio import aio_as_trio

from taskengine.embedded.valkey import embedded_valkey
from tests.support.serving import ended_job, post_job, serving

QUICK = 2.0  # seconds; a health check waits no longer for it
KEY = "taskengine:instance:"


async def health(client):
    answer = await client.get("/health")
    assert answer.status_code == 200
    return answer.json()


async def is_quick(client):
    """Whether one of some health checks is: the machine may be slow now and then, a check that
    waited for the mirror would always be."""
    for _ in range(5):
        with trio.move_on_after(QUICK):
            await health(client)
            return True
    return False


async def until_shown(client, redis_is):
    with trio.fail_after(60):
        while (told := await health(client))["databases"]["redis"] != redis_is or not _shown(told):
            await trio.sleep(0.1)
    assert told["databases"]["postgres"] == "OK"


def _shown(told):
    """Whether the workers of the one instance are there, be they those of the mirror or its own."""
    return told["queues"]["work"]["workers"] == 3


async def ask(url, *command):
    async def run():
        async with redis.asyncio.Redis.from_url(url) as client:
            return await client.execute_command(*command)

    async with trio_asyncio.open_loop():
        return await aio_as_trio(run)()


async def test_only_the_mirror_notices(tmp_path, direct_url):
    async with embedded_valkey(tmp_path / "mirror") as url:

        def send(number):
            told = json.loads((tmp_path / "mirror/valkey/server.json").read_text())
            os.kill(told["pid"], number)

        send(signal.SIGSTOP)  # as it is when the engine starts
        given = {"database_url": direct_url, "redis_url": url, "queues": "work=3"}
        async with serving(tmp_path / "var", **given) as (_, client):

            async def check(redis_is):
                await until_shown(client, redis_is)
                assert await is_quick(client)
                assert not (await ended_job(client, await post_job(client, "noop")))["failed"]

            await check("unavailable")
            send(signal.SIGCONT)
            await check("OK")
            await ask(url, "FLUSHALL")
            await check("OK")
            await ask(url, "HSET", f"{KEY}77", "work:workers", "nonsense", "work:else", "1")
            await check("OK")
            await ask(url, "SET", f"{KEY}78", "not a hash")
            await check("unavailable")
            await ask(url, "DEL", f"{KEY}78")
            send(signal.SIGKILL)
            await check("OK")
            send(signal.SIGSTOP)  # as it is when the engine stops
        send(signal.SIGCONT)
        assert "Traceback" not in (tmp_path / "serve.log").read_text()
