"""A storage that records: engines are stopped, frozen and killed while children write."""

import os
import random
import signal
import time

import trio

from tests.chaos.recording import freeze, held
from tests.side_by_side import side_by_side
from tests.support.processes import alive, gone
from tests.support.serving import ended_job

LEASE = 3.0
LONG_LEASE = 60.0  # nobody is rescued for it
SLACK = 8.0  # seconds, less than a grace; the machine does other things too
RESCUE = 1.5 * LEASE + 1.0  # seconds from a stop to the next attempt: lease, readings, claim
SETTINGS = {"lease": LEASE, "queues": "work=4"}


async def the_child_of_a_stopped_engine_is_dead_before_long_and_publishes_nothing(fleet_of):
    async with fleet_of("one", "two", **SETTINGS) as instances:
        recording = instances.recording
        job = await instances.record(instances.clients["one"], seconds=1, ways=["endless"])
        child, _ = await recording.wait_for(job, 1)
        stopped = instances.runs(child)
        [other] = instances.others(stopped)
        instances.send(stopped, signal.SIGSTOP)
        await gone(child, within=LEASE + SLACK)
        await recording.wait_for(job, 2, RESCUE + SLACK)
        instances.send(stopped, signal.SIGCONT)
        assert not (await ended_job(other, job))["failed"]
        recording.check()
        assert {attempt.number for attempt, _ in recording.published()} == {2}


async def a_host_that_was_frozen_goes_on_with_nothing_when_it_wakes(fleet_of):
    """Engine, guard and child stand still together: nobody is there to kill anything."""
    async with fleet_of("one", "two", **SETTINGS) as instances:
        recording = instances.recording
        job = await instances.record(instances.clients["one"], seconds=1, ways=["endless"])
        child, _ = await recording.wait_for(job, 1)
        frozen = instances.runs(child)
        [other] = instances.others(frozen)
        pids = freeze(instances.processes[frozen], child)
        await recording.wait_for(job, 2, RESCUE + SLACK)
        assert alive(child)
        for pid in reversed(pids):  # the child first
            os.kill(pid, signal.SIGCONT)
        await gone(child, within=SLACK)
        assert not (await ended_job(other, job))["failed"]
        recording.check()
        assert {attempt.number for attempt, _ in recording.published()} == {2}


async def a_stop_for_less_than_a_lease_changes_nothing(fleet_of):
    async with fleet_of("one", "two", queues="work=4", lease=15) as instances:
        recording = instances.recording
        jobs = [await instances.record(instances.clients["one"], seconds=8) for _ in range(4)]
        children = [(await recording.wait_for(job, 1))[0] for job in jobs]
        napping = instances.runs(children[-1])
        [other] = instances.others(napping)
        for _ in range(3):
            instances.send(napping, signal.SIGSTOP)
            await trio.sleep(2)
            instances.send(napping, signal.SIGCONT)
            await trio.sleep(0.5)
        for job in jobs:
            assert not (await ended_job(other, job))["failed"]
        assert {attempt.number for attempt in recording.lines()} == {1}


async def test_what_stands_still_for_longer_than_a_lease_has_lost_its_work_and_no_other(fleet_of):
    scenarios = (
        the_child_of_a_stopped_engine_is_dead_before_long_and_publishes_nothing,
        a_host_that_was_frozen_goes_on_with_nothing_when_it_wakes,
        a_stop_for_less_than_a_lease_changes_nothing,
    )
    await side_by_side(scenarios, fleet_of)


async def the_tasks_of_a_killed_engine_run_again_while_its_lease_lasts(fleet_of):
    """And again, when the one that took them over is killed right after the rescue."""
    async with fleet_of("killed", **SETTINGS | {"lease": LONG_LEASE}) as instances:
        recording, client = instances.recording, instances.clients["killed"]
        jobs = [await instances.record(client, seconds=300, ways=["leaving"]) for _ in range(2)]
        for job in jobs:
            await recording.wait_for(job, 1)
        for name in ("second", "third"):
            await instances.start(name)
        before = recording.processes()
        await instances.kill("killed")
        killed = time.monotonic()
        await gone(*before, within=SLACK)
        child, _ = await recording.wait_for(jobs[0], 2)
        assert time.monotonic() - killed < SLACK
        await instances.kill(instances.runs(child))
        killed = time.monotonic()
        await recording.wait_for(jobs[0], 3)
        assert time.monotonic() - killed < SLACK
        [last] = instances.clients.values()
        for job in jobs:
            await recording.wait_for(job, 2)
            assert await stop(last, job) == 200
        await gone(*recording.processes(), within=SLACK)
        recording.check()


async def stop(client, job_id):
    body = {"client": "acme", "queue_state": "broken"}
    return (await client.put(f"/job/{job_id}", json=body)).status_code


async def stops_kills_breaks_and_reruns_at_random(fleet_of):
    chance = random.Random(int(os.environ.get("RECORDING_SEED", "7")))
    async with fleet_of("one", "two", "steady", lease=LEASE, queues="work=2") as instances:
        steady = instances.clients["steady"]
        await steady.post("/settings", json={"name": "max_jobs", "setting": "5"})
        jobs, end = [], time.monotonic() + 8
        while time.monotonic() < end:
            for _ in range(chance.randint(1, 3)):
                ways = chance.choice([[], [], ["leaving"]])
                job = await instances.record(steady, seconds=chance.uniform(0, 2), ways=ways)
                jobs.append(job)
            await disturb(chance, instances, steady, jobs)
        for job in jobs:
            details = await ended_job(steady, job, 120)
            assert details["queue_state"] == "broken" or not details["failed"], details
        instances.recording.check()
        with trio.fail_after(LEASE + 10 + SLACK):
            while instances.recording.processes() or await held(instances.settings["database_url"]):
                await trio.sleep(0.05)


async def disturb(chance, instances, steady, jobs):
    name = chance.choice(["one", "two"])
    match chance.choice(["kill", "stop", "stop", "stop", "break", "rerun"]):
        case "kill":
            await instances.kill(name)
            await instances.start(name)
        case "stop":
            instances.send(name, signal.SIGSTOP)
            await trio.sleep(chance.choice([0.05, 0.5, 0.5, LEASE + 2.5]))
            instances.send(name, signal.SIGCONT)
        case "break":
            await stop(steady, chance.choice(jobs))
        case "rerun":
            answer = await steady.post(f"/jobs/{chance.choice(jobs)}/rerun", json={})
            if answer.status_code == 200:
                jobs.append(int(answer.json()["id"]))


async def test_what_is_killed_runs_again_and_nothing_is_published_twice(fleet_of):
    scenarios = (
        the_tasks_of_a_killed_engine_run_again_while_its_lease_lasts,
        stops_kills_breaks_and_reruns_at_random,
    )
    await side_by_side(scenarios, fleet_of)
