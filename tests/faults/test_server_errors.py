"""What PostgreSQL says when it cannot work: an outage, not bad data, and never a crash."""

from __future__ import annotations

import os
import signal
from contextlib import asynccontextmanager, contextmanager

import pytest
import trio
import trio_asyncio

from taskengine.model import StoreUnavailable
from taskengine.store.postgres import open_postgres
from taskengine.testing.contract.world import World, submission
from tests.conftest import NOON
from tests.e2e.held import held, workflows_with_held
from tests.faults.load import LONGEST, WIRE, Load, check_counters, rows, until_ended
from tests.faults.proxy import Refusal
from tests.faults.servers import postmaster
from tests.support.serving import ended_job, lines_of, serving

AWAY, BACK = "the database is away", "the database is back"
READ_ONLY = Refusal("25006", "cannot execute INSERT in a read-only transaction")
DISK_FULL = Refusal("53100", "could not extend file: No space left on device")
STARTING = Refusal("57P03", "the database system is starting up", "FATAL")
OUTAGES = [
    READ_ONLY,
    DISK_FULL,
    STARTING,
    Refusal("57P01", "terminating connection due to administrator command", "FATAL"),
    Refusal("57P02", "terminating connection because of crash of another server process", "FATAL"),
    Refusal("57014", "canceling statement due to statement timeout"),
    Refusal("53200", "out of memory"),
    Refusal("53300", "sorry, too many clients already", "FATAL"),
    Refusal("58030", "could not fsync file: Input/output error"),
    Refusal("55P03", "canceling statement due to lock timeout"),
    Refusal("28P01", "password authentication failed", "FATAL"),
    Refusal("3D000", "database does not exist", "FATAL"),
    Refusal("42501", "permission denied for table jobs"),
    Refusal("XX000", "could not read block"),
    Refusal("08P01", "server login has been failing", "FATAL"),
]


async def test_each_is_an_outage_for_who_waits_and_waited_out_by_actors(proxy):
    async with trio_asyncio.open_loop(), open_postgres(proxy.own_url) as store:
        await World(store).settle()
        for number, outage in enumerate(OUTAGES, 1):
            proxy.refusal = outage
            for _ in range(2):  # on a connection that stands, and on a new one
                with pytest.raises(StoreUnavailable):
                    await store.submit([submission()], NOON)
            with trio.fail_after(LONGEST + WIRE):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(store.patient.submit, [submission()], NOON)
                    await trio.sleep(0.05)
                    proxy.resume()
            assert sum((await store.totals()).jobs.values()) == number, outage


@contextmanager
def saying(proxy, refusal):
    proxy.refusal = refusal
    yield
    proxy.resume()


async def terminate_all(url, times):
    """As an impatient administrator: twice a second."""
    for _ in range(times):
        await rows(
            url,
            "select pg_terminate_backend(pid) from pg_stat_activity where "
            "application_name = 'taskengine' and datname = current_database()",
        )
        await trio.sleep(0.5)


async def restarted(folder, number):
    """Until a postmaster that got a signal has a successor."""
    server = postmaster(folder)
    os.kill(server, number)
    with trio.fail_after(60):
        while postmaster(folder) == server:
            await trio.sleep(0.05)


async def told_of(refusal, proxy, load, log):
    """It lasts until clients were refused and the log tells of it; the log tells of its end too."""
    before = log.read_text().count(AWAY)
    with saying(proxy, refusal):
        await load.refuses()
        while log.read_text().count(AWAY) == before:
            await trio.sleep(0.05)
    while (text := log.read_text()).count(BACK) < text.count(AWAY):
        await trio.sleep(0.05)


async def check_load(load, client, direct_url):
    """No job, no line is lost, and none is doubled."""
    await until_ended(direct_url, 30)
    assert {len(await lines_of(client, number)) for number in load.accepted} == {5}
    await load.check(direct_url)
    assert load.refused > 0
    assert await rows(direct_url, "select id from jobs where failed") == []
    await check_counters(direct_url)


async def test_no_job_no_line_and_no_task_is_lost(tmp_path, proxy, direct_url, server_folder):
    """A read-only server, a full disk, a start-up; terminated connections; an immediate restart; a
    killed postmaster. The engine runs on through all of them, and so does a task."""
    given = {"database_url": proxy.own_url, "redis_url": "none", "lease": 3}
    given["workflows"] = workflows_with_held(tmp_path)
    log, load = tmp_path / "one.log", Load()
    with held() as hold:
        async with serving(tmp_path / "var", name="one", **given) as (process, client):
            await client.post("/settings", json={"name": "max_jobs", "setting": "40"})
            long = await load.submit(client, "held", url=hold.url)

            @asynccontextmanager
            async def under_load():
                """Jobs before it, meanwhile, and after it."""
                over = trio.Event()
                async with trio.open_nursery() as nursery:
                    for _ in range(3):
                        nursery.start_soon(load.run, client, over.is_set)
                    await load.accepts()
                    yield
                    await load.accepts()
                    over.set()

            for refusal in (READ_ONLY, DISK_FULL, STARTING):
                async with under_load():
                    await told_of(refusal, proxy, load, log)
            async with under_load():
                await terminate_all(direct_url, 6)
            for number in (signal.SIGQUIT, signal.SIGKILL):
                async with under_load():
                    await restarted(server_folder, number)
            hold.let_go()
            job = await ended_job(client, long)
            assert [(task["attempt"], task["state"]) for task in job["tasks"]] == [(1, "completed")]
            await check_load(load, client, direct_url)
            assert process.poll() is None
    assert "Traceback" not in log.read_text()
    assert "the database refuses" not in log.read_text()
