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
from tests.side_by_side import side_by_side
from tests.support.processes import gone
from tests.support.serving import ended_job, post_job, serving

LEASE = 60  # seconds; it cannot help
AWAY = 3.0  # seconds
SLACK = 10.0  # seconds, far less than a lease; the machine does other things too
LONG = 3600  # seconds
ATTEMPTS = "select attempt, rescues from tasks where state = 2"

GIVEN = {"redis_url": "none", "lease": LEASE}


@pytest.fixture
def scenes(tmp_path):
    """Where each scenario has a folder."""
    for name in ("refuse", "hang", "pooler", "own", "all"):
        (tmp_path / name).mkdir()
    return tmp_path


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


async def died_in_an_outage(folder, fresh_url, away):
    """Its death is told once the database is back."""
    url = await fresh_url()
    with proxied(url) as proxy:
        given = {"database_url": proxy.own_url, **GIVEN}
        async with serving(folder / away / "var", dies=True, **given) as (doomed, client):
            await has_witness(doomed.pid)
            await post_job(client, "sleep", seconds=LONG)
            await until_works(url)
            async with serving(folder / away / "other", name="other", dies=True, **given):
                getattr(proxy, away)()
                doomed.kill()
                await trio.sleep(AWAY)
                assert await rows(url, ATTEMPTS) == [(1, 0)]
                proxy.resume()
                await until_taken_over(url)


async def while_the_database_refuses(folder, fresh_url):
    await died_in_an_outage(folder, fresh_url, "refuse")


async def while_the_database_hangs(folder, fresh_url):
    await died_in_an_outage(folder, fresh_url, "hang")


async def behind_a_pooler(folder, fresh_url):
    url = await fresh_url()
    with proxied(url, Pooler) as pooler:
        given = {"database_url": pooler.own_url, **GIVEN}
        async with serving(folder / "pooler" / "var", dies=True, **given) as (doomed, client):
            await has_witness(doomed.pid)
            await post_job(client, "sleep", seconds=LONG)
            await until_works(url)
            async with serving(folder / "pooler" / "other", name="other", dies=True, **given):
                doomed.kill()
                await until_taken_over(url)


async def with_its_own_database(folder, fresh_url):
    """Its witness keeps the database running until it has told."""
    data = folder / "own" / "var"
    async with serving(data, dies=True, **GIVEN) as (engine, client):
        witness = await has_witness(engine.pid)
        job = await post_job(client, "sleep", seconds=2)
        with trio.fail_after(SLACK):
            while not await at_work(client, job):
                await trio.sleep(0.02)
        engine.kill()
        engine.wait()
        await gone(witness, within=SLACK)
    async with serving(data, name="again", **GIVEN) as (_, client):
        assert not (await ended_job(client, job, SLACK))["failed"]


async def with_all_that_saw_it(folder, fresh_url):
    """As in a container that is killed and started again, with its folder: it is known to be dead
    where it lived."""
    url, data = await fresh_url(), folder / "all" / "var"
    given = {"database_url": url, **GIVEN}
    async with serving(data, dies=True, **given) as (engine, client):
        await has_witness(engine.pid)
        job = await post_job(client, "sleep", seconds=2)
        await until_works(url)
        engine.send_signal(signal.SIGSTOP)  # or it would start another witness
        os.kill(witness_of(engine.pid), signal.SIGKILL)
    async with serving(data, name="again", **given) as (_, client):
        assert not (await ended_job(client, job, SLACK))["failed"]


async def test_a_death_in_an_outage_is_told_once_the_database_is_back(scenes, fresh_url):
    scenarios = while_the_database_refuses, while_the_database_hangs
    await side_by_side(scenarios, scenes, fresh_url)


async def test_a_death_is_told_through_a_pooler_and_to_who_is_started_again(scenes, fresh_url):
    scenarios = behind_a_pooler, with_its_own_database, with_all_that_saw_it
    await side_by_side(scenarios, scenes, fresh_url)
