"""PostgreSQL stands still, refuses, and says nothing, for three leases each (promises 4 and 8)."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial

import trio

from tests.faults.load import LONGEST, WIRE, Load, rows, submission
from tests.faults.servers import stopped
from tests.support.serving import post_job, serving

LEASE = 4  # seconds; beats are 2 s apart then, and a disk may stand still for a moment
SECONDS = 3 * LEASE
LONG = 3600  # seconds: the tasks are ended by the test
READS = ("/jobs", "/jobs/1", "/dashboard", "/logs/1", "/jobs/1/explain")
HELD = """\
select job_id, attempt, rescues, i.name from tasks t left join instances i on i.id = t.holder
where t.job_id = any($1::bigint[]) and t.state = 2 and i.name is not null order by 1"""


@contextmanager
def refusing(proxy):
    proxy.refuse()
    yield
    proxy.resume()


@contextmanager
def hanging(proxy):
    proxy.hang()
    yield
    proxy.resume()


async def answer_of(client, path):
    """What an instance answers, in time."""
    with trio.fail_after(LONGEST + WIRE):
        return await client.get(path)


async def check_instance(client):
    """What an instance says while its database is away: all at once, as clients do."""

    async def is_alive():
        assert (await answer_of(client, "/livez")).status_code == 200

    async def is_not_ready():
        assert (await answer_of(client, "/readyz")).status_code == 503

    async def takes_nothing():
        with trio.fail_after(LONGEST + WIRE):
            answer = await submission(client, "noop")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")

    async def tells(path):
        answer = await answer_of(client, path)
        assert (answer.status_code, "database" in answer.json()["error"]) == (503, True)

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(takes_nothing)
        for question in (is_alive, is_not_ready, *(partial(tells, path) for path in READS)):
            nursery.start_soon(question)


async def check_while_away(client, until):
    while trio.current_time() < until:
        await check_instance(client)
        await trio.sleep(0.2)


async def check_progress(client, url):
    """A new job is accepted and done soon."""
    with trio.fail_after(LONGEST + WIRE):
        number = await Load().submit(client, "noop")
        while await rows(url, "select state from jobs where id = $1", number) != [(2,)]:
            await trio.sleep(0.05)


async def all_held(url, jobs, dead=()):
    """Who works on these jobs, once somebody does on each who is not dead."""
    with trio.fail_after(8 * LEASE):
        while True:
            found = await rows(url, HELD, jobs)
            if len(found) == len(jobs) and not {name for *_, name in found} & {*dead}:
                return found
            await trio.sleep(0.1)


async def test_an_outage_kills_nobody(tmp_path, proxy, direct_url, server_folder):
    """Long tasks on two instances keep their attempt through all of it; those of a third, which
    dies meanwhile, are run again."""
    outages = partial(stopped, server_folder), partial(refusing, proxy), partial(hanging, proxy)

    def instance(name, places, **more):
        given = {"database_url": proxy.own_url, "redis_url": "none", "lease": LEASE, **more}
        return serving(tmp_path / "var", name=name, queues=f"work={places}", **given)

    async with instance("doomed", 8, dies=True) as (doomed, three):
        await three.post("/settings", json={"name": "max_jobs", "setting": "40"})
        doomed_jobs = [await post_job(three, "sleep", seconds=LONG) for _ in range(8)]
        dead = {name for *_, name in await all_held(direct_url, doomed_jobs)}
        async with (
            instance("one", 20) as (one_process, one),
            instance("two", 20) as (two_process, two),
        ):
            # More than one of them has places for; those of the dead have places left.
            jobs = [await post_job(one, "sleep", seconds=LONG) for _ in range(25)]
            before = await all_held(direct_url, jobs)
            assert len({name for *_, name in before} - dead) == 2
            for outage in outages:
                with outage():
                    doomed.kill()
                    end = trio.current_time() + SECONDS
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(check_while_away, one, end)
                        nursery.start_soon(check_while_away, two, end)
                await check_progress(one, direct_url)
            orphans = await all_held(direct_url, doomed_jobs, dead)
            assert {row[1:3] for row in orphans} == {(2, 1)}
            assert await all_held(direct_url, jobs) == before
            for number in (*jobs, *doomed_jobs):
                await one.put(f"/job/{number}", json={"client": "acme", "queue_state": "broken"})
            assert (one_process.poll(), two_process.poll()) == (None, None)
    logs = "".join((tmp_path / f"{name}.log").read_text() for name in ("one", "two"))
    assert "Traceback" not in logs, logs
