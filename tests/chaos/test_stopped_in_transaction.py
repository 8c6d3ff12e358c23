"""An instance that is stopped between lock and commit holds nobody up for long (rule 7)."""

import os
import signal
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import trio
import trio_asyncio
from trio_asyncio import aio_as_trio

from tests.chaos.bodies import send
from tests.support.serving import ended_job, post_job

ADMIT = 5.0  # seconds within which others admit
HOLDERS = """
select a.client_port from pg_locks l join pg_stat_activity a using (pid)
where l.relation = 'scopes'::regclass and l.mode = 'RowShareLock' and l.granted
  and a.state = 'idle in transaction'
"""


@asynccontextmanager
async def watching(url):
    """A connection that sees what the others do."""
    async with trio_asyncio.open_loop():
        connection = await aio_as_trio(asyncpg.connect)(url)
        yield connection
        connection.terminate()


def ports_of(pid):
    """The local ports of a process's TCP sockets."""
    links = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    rows = [row.split() for row in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[9] in inodes}


async def stop_in_admission(process, watcher):
    """Stop an instance again and again until it holds the lock of admission."""
    for _ in range(2_000):
        process.send_signal(signal.SIGSTOP)
        await trio.sleep(0.005)  # a statement under way comes to its end
        rows = await aio_as_trio(watcher.fetch)(HOLDERS)
        if {row["client_port"] for row in rows} & ports_of(process.pid):
            return
        process.send_signal(signal.SIGCONT)
        await trio.sleep(0.005)
    raise AssertionError("it never was in an admission")


async def submit_for_ever(client):
    body = {"client": "acme", "job": {"workflow": "noop"}, "parameters": {}}
    while True:
        await send(client, client.build_request("POST", "/job", json=body))


async def test_others_admit_although_an_instance_is_stopped_in_its_admission(fleet_of):
    async with fleet_of("stopped", "steady", lease=30, queues="work=2") as instances:
        steady = instances.clients["steady"]
        async with (
            watching(instances.settings["database_url"]) as watcher,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(submit_for_ever, instances.clients["stopped"])
            await stop_in_admission(instances.processes["stopped"], watcher)
            job = await post_job(steady, "noop")
            with trio.fail_after(ADMIT):
                while (await steady.get(f"/jobs/{job}")).json()["queue_state"] == "queued":
                    await trio.sleep(0.02)
            nursery.cancel_scope.cancel()
        instances.send("stopped", signal.SIGCONT)
        await ended_job(steady, job)
        assert not (await ended_job(instances.clients["stopped"], job))["failed"]
