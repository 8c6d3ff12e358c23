"""Engines that die while the database is away, or with it, or behind a pooler (rule 2)."""

from __future__ import annotations

import os
import signal

import pytest
import trio

from tests.chaos.witnesses import has_witness, witness_of
from tests.faults.load import rows
from tests.faults.pooler import Pooler
from tests.faults.proxy import proxied
from tests.support.processes import gone
from tests.support.serving import ended_job, post_job, serving

LEASE = 60  # seconds; it cannot help
AWAY = 3.0  # seconds
SLACK = 10.0  # seconds, far less than a lease; the machine does other things too
LONG = 3600  # seconds
ATTEMPTS = "select attempt, rescues from tasks where state = 2"

pytestmark = pytest.mark.timeout(240)


async def until_taken_over(url):
    """Wait until the one task works again, in its second attempt."""
    with trio.fail_after(SLACK):
        while await rows(url, ATTEMPTS) != [(2, 1)]:
            await trio.sleep(0.02)


async def at_work(client, job):
    tasks = (await client.get(f"/jobs/{job}")).json()["tasks"]
    return [task["state"] for task in tasks] == ["working"]


async def until_works(url):
    with trio.fail_after(SLACK):
        while await rows(url, ATTEMPTS) != [(1, 0)]:
            await trio.sleep(0.02)


@pytest.mark.parametrize("away", ["refuse", "hang"])
async def test_a_death_in_an_outage_is_told_once_the_database_is_back(
    tmp_path, proxy, direct_url, away
):
    given = {"database_url": proxy.own_url, "redis_url": "none", "lease": LEASE, "dies": True}
    async with serving(tmp_path / "var", name="doomed", **given) as (doomed, client):
        await has_witness(doomed.pid)
        await post_job(client, "sleep", seconds=LONG)
        await until_works(direct_url)
        async with serving(tmp_path / "other", name="other", **given):
            getattr(proxy, away)()
            doomed.kill()
            await trio.sleep(AWAY)
            assert await rows(direct_url, ATTEMPTS) == [(1, 0)]
            proxy.resume()
            await until_taken_over(direct_url)


async def test_a_death_is_told_through_a_pooler(tmp_path, direct_url):
    with proxied(direct_url, Pooler) as pooler:
        given = {"database_url": pooler.own_url, "redis_url": "none", "lease": LEASE, "dies": True}
        async with serving(tmp_path / "var", name="doomed", **given) as (doomed, client):
            await has_witness(doomed.pid)
            await post_job(client, "sleep", seconds=LONG)
            await until_works(direct_url)
            async with serving(tmp_path / "other", name="other", **given):
                doomed.kill()
                await until_taken_over(direct_url)


async def test_a_killed_engine_with_its_own_database_goes_on_when_it_is_started_again(tmp_path):
    """Its witness keeps the database running until it has told."""
    given = {"redis_url": "none", "lease": LEASE}
    async with serving(tmp_path / "var", dies=True, **given) as (engine, client):
        witness = await has_witness(engine.pid)
        job = await post_job(client, "sleep", seconds=2)
        with trio.fail_after(SLACK):
            while not await at_work(client, job):
                await trio.sleep(0.02)
        engine.kill()
        engine.wait()
        await gone(witness, within=SLACK)
    async with serving(tmp_path / "var", name="again", **given) as (_, client):
        assert not (await ended_job(client, job, SLACK))["failed"]


async def test_an_engine_that_died_with_all_that_saw_it_is_known_to_be_dead_where_it_lived(
    tmp_path, direct_url
):
    """As in a container that is killed and started again, with its folder."""
    given = {"database_url": direct_url, "redis_url": "none", "lease": LEASE}
    async with serving(tmp_path / "var", dies=True, **given) as (engine, client):
        await has_witness(engine.pid)
        job = await post_job(client, "sleep", seconds=2)
        await until_works(direct_url)
        engine.send_signal(signal.SIGSTOP)  # or it would start another witness
        os.kill(witness_of(engine.pid), signal.SIGKILL)
    async with serving(tmp_path / "var", name="again", **given) as (_, client):
        assert not (await ended_job(client, job, SLACK))["failed"]
