"""Deaths that are known (rule 2): real engines are killed, real witnesses tell of it.

The leases are so long that none can help.
"""

import os
import signal
import time
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.chaos.recording import held
from tests.chaos.witnesses import has_witness, memory_of, witness_of
from tests.side_by_side import side_by_side
from tests.support.processes import alive, gone
from tests.support.serving import ended_job, lines_of

LEASE = 60.0
WARN = 2
SHORT_LEASE = 3.0
SLACK = 10.0  # seconds, far less than a lease; the machine does other things too
MEGABYTE = 1 << 20


@asynccontextmanager
async def two_with_a_task(fleet_of, ways, lease=LEASE):
    """The instance that runs the task's child, and the other; both have witnesses."""
    async with fleet_of("one", "two", lease=lease, queues="work=4") as instances:
        one = instances.clients["one"]
        job = await instances.record(one, seconds=300, ways=ways)
        child, _ = await instances.recording.wait_for(job, 1)
        for process in instances.processes.values():
            await has_witness(process.pid)
        yield instances, job, instances.runs(child)


async def said_of(instances, job, name):
    """What the job's log says of its first attempt."""
    lines = await lines_of(instances.clients[name], job)
    return [
        (line["severity"], line["progname"], line["message"])
        for line in lines
        if line["message"].startswith("attempt 1")
    ]


async def the_tasks_of_a_killed_engine_run_again_once_its_children_are_gone(fleet_of):
    """Children that ignore SIGTERM, and such that left their session."""
    async with two_with_a_task(fleet_of, ["leaving", "stubborn"]) as (instances, job, killed):
        recording, [other] = instances.recording, instances.others(killed)
        before = recording.processes()
        assert len(before) == 2
        process = instances.processes[killed]
        await instances.kill(killed)
        _, again = await recording.wait_for(job, 2, SLACK)
        assert not any(map(alive, before))
        [first] = [said for one, said in recording.lines().items() if one.number == 1]
        assert max(at for _, at in first) < again
        [name] = instances.clients
        [(severity, teller, line)] = await said_of(instances, job, name)
        assert (severity, teller) == (WARN, "controller")
        assert line.startswith("attempt 1 is lost: instance ")
        assert line.endswith(f"-{process.pid}) died; the task is queued again")
        assert (await other.get("/health")).status_code == 200


async def an_engine_that_stands_still_is_not_dead(fleet_of):
    async with two_with_a_task(fleet_of, []) as (instances, _, stopped):
        witness = await has_witness(instances.processes[stopped].pid)
        instances.send(stopped, signal.SIGSTOP)
        await trio.sleep(3)
        instances.send(stopped, signal.SIGCONT)
        await trio.sleep(1)
        assert {one.number for one in instances.recording.lines()} == {1}
        assert alive(witness)


async def where_the_witness_was_killed_too_the_lease_remains(fleet_of):
    async with two_with_a_task(fleet_of, [], SHORT_LEASE) as (instances, job, killed):
        process = instances.processes[killed]
        instances.send(killed, signal.SIGSTOP)  # or it would start another one
        os.kill(witness_of(process.pid), signal.SIGKILL)
        since = time.time()
        await instances.kill(killed)
        _, again = await instances.recording.wait_for(job, 2, SHORT_LEASE + SLACK)
        assert again - since > 0.6 * SHORT_LEASE  # its last beat was a third of it ago at most
        [name] = instances.clients
        [(*_, line)] = await said_of(instances, job, name)
        assert line.endswith(" did not answer for 3 s; the task is queued again")


async def an_engine_whose_witness_was_killed_has_another(fleet_of):
    async with two_with_a_task(fleet_of, []) as (instances, job, killed):
        engine = instances.processes[killed].pid
        first = await has_witness(engine)
        os.kill(first, signal.SIGKILL)
        await has_witness(engine, other_than=first)
        await trio.sleep(1)  # until it has read what it is to do
        await instances.kill(killed)
        await instances.recording.wait_for(job, 2, SLACK)


async def a_crash_is_a_death_too(fleet_of):
    """SIGABRT, as of a library that finds its memory in disorder."""
    async with two_with_a_task(fleet_of, []) as (instances, job, killed):
        instances.send(killed, signal.SIGABRT)
        await instances.recording.wait_for(job, 2, SLACK)


async def a_witness_is_small_and_does_nothing(fleet_of):
    async with two_with_a_task(fleet_of, []) as (instances, _, name):
        engine = instances.processes[name].pid
        witness = await has_witness(engine)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(witness, number)
        await trio.sleep(1)
        assert alive(witness)
        assert os.getsid(witness) == witness
        assert memory_of(witness) < 20 * MEGABYTE
        for name in ("environ", "cmdline"):
            told = Path(f"/proc/{witness}/{name}").read_text()
            assert "postgresql://" not in told
            assert "TASKENGINE" not in told


async def test_what_is_known_needs_no_lease_and_what_lives_is_let_live(fleet_of):
    scenarios = (
        the_tasks_of_a_killed_engine_run_again_once_its_children_are_gone,
        an_engine_that_stands_still_is_not_dead,
        where_the_witness_was_killed_too_the_lease_remains,
    )
    await side_by_side(scenarios, fleet_of)


async def test_each_engine_has_a_witness_and_each_death_is_told(fleet_of):
    scenarios = (
        an_engine_whose_witness_was_killed_has_another,
        a_crash_is_a_death_too,
        a_witness_is_small_and_does_nothing,
    )
    await side_by_side(scenarios, fleet_of)


async def test_a_lone_engine_that_starts_again_goes_on_at_once(fleet_of):
    async with fleet_of("first", lease=LEASE, queues="work=4") as instances:
        job = await instances.record(instances.clients["first"], seconds=1, ways=["endless"])
        await instances.recording.wait_for(job, 1)
        witness = await has_witness(instances.processes["first"].pid)
        await instances.kill("first")
        await gone(witness, within=SLACK)
        again = await instances.start("second")
        await instances.recording.wait_for(job, 2, SLACK)
        assert not (await ended_job(again, job))["failed"]


async def test_an_engine_that_leaves_sends_its_witness_away_and_tells_the_log(fleet_of):
    async with fleet_of("leaving", lease=LEASE, queues="work=4", drain=0) as instances:
        leaving = instances.processes["leaving"]
        job = await instances.record(instances.clients["leaving"], seconds=300, ways=[])
        await instances.recording.wait_for(job, 1)
        witness = await has_witness(leaving.pid)
        await instances.start("other", queues="work=0")
        instances.send("leaving", signal.SIGTERM)
        with trio.fail_after(SLACK):
            while leaving.poll() is None:
                await trio.sleep(0.02)
        assert leaving.returncode == 0
        assert not alive(witness)
        assert await held(instances.settings["database_url"]) == 0
        fate = "attempt 1 was handed back: the engine stopped; the task is queued again"
        assert await said_of(instances, job, "other") == [(WARN, "worker", fate)]
