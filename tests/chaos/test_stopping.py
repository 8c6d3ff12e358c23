"""Stopping jobs and instances whose children do not want to stop: real processes."""

import signal
import time

import trio

from taskengine.runtime.shutdown import ECHO
from tests.side_by_side import side_by_side
from tests.support.processes import alive, gone
from tests.support.serving import ended_job, lines_of

GRACE = 10.0  # seconds from SIGTERM to SIGKILL, where a lease is three times as long
SLACK = 10.0  # seconds; the machine does other things too
LEASE = 60.0  # seconds; heartbeats follow each other so slowly that none can help within SLACK
HANG = 60.0  # seconds; only what is wrong takes so long


async def stop(client, job_id):
    body = {"client": "acme", "queue_state": "broken"}
    assert (await client.put(f"/job/{job_id}", json=body)).status_code == 200


async def task_of(client, job_id):
    [task] = (await client.get(f"/jobs/{job_id}")).json()["tasks"]
    return task


async def test_a_stop_reaches_a_child_on_another_instance_at_once(fleet_of):
    async with fleet_of("holder", queues="work=4", lease=LEASE) as instances:
        recording = instances.recording
        job = await instances.record(instances.clients["holder"], seconds=300, ways=["leaving"])
        await recording.wait_for(job, 1)
        asked = await instances.start("asked", queues="work=0")
        await stop(asked, job)
        await gone(*recording.processes(job), within=SLACK)
        with trio.fail_after(SLACK):
            while (await task_of(asked, job))["state"] != "cancelled":
                await trio.sleep(0.02)
        assert not list(instances.folder.glob(f"var/scratch/*/{job}-*"))


async def a_stubborn_child_is_killed_and_its_slot_kept_until_then(fleet_of):
    """The same for a job that takes its place, and for the one that runs it again."""
    async with fleet_of("holder", queues="work=4", lease=3 * GRACE) as instances:
        recording, holder = instances.recording, instances.clients["holder"]
        await holder.post("/settings", json={"name": "max_jobs", "setting": "2"})
        stopped, rerun = [
            await instances.record(holder, seconds=300, ways=["stubborn", "leaving"])
            for _ in range(2)
        ]
        for job in (stopped, rerun):
            await recording.wait_for(job, 1)
        asked = await instances.start("asked", queues="work=0")
        waiting = await instances.record(asked, seconds=0.1)
        before = recording.processes(stopped) | recording.processes(rerun)
        assert len(before) >= 2
        began = time.monotonic()
        await stop(asked, stopped)
        new = int((await asked.post(f"/jobs/{rerun}/rerun", json={})).json()["id"])
        assert (await asked.get(f"/jobs/{waiting}")).json()["queue_state"] == "queued"
        assert (await asked.get(f"/jobs/{new}")).json()["queue_state"] == "pending"
        assert (await task_of(asked, stopped))["state"] == "working"
        assert all(map(alive, before)), "they were killed before their grace was over"
        await gone(*before, within=GRACE + SLACK)
        assert time.monotonic() - began > GRACE
        assert not (await ended_job(asked, waiting))["failed"]
        await recording.wait_for(new, 1)
        last = {job: max(at for _, at in said(recording, job)) for job in (stopped, rerun)}
        assert said(recording, new)[0][1] > last[rerun]
        assert said(recording, waiting)[0][1] > min(last.values())
        assert (await task_of(asked, stopped))["state"] == "cancelled"
        messages = [line["message"] for line in await lines_of(asked, stopped)]
        assert "Task 'record' started" in messages
        assert not list(instances.folder.glob(f"var/scratch/*/{stopped}-*"))
        await stop(asked, new)


def said(recording, job):
    return next(lines for attempt, lines in recording.lines().items() if attempt.job == job)


async def ended(process):
    """By itself: an engine kills itself with 70 once its stop takes too long."""
    with trio.fail_after(HANG):
        while process.poll() is None:
            await trio.sleep(0.02)
    return process.returncode


async def sigterm_ends_an_engine_with_a_stubborn_child_and_hands_its_task_back(fleet_of):
    async with fleet_of("leaving", queues="work=4", drain=1) as instances:
        recording = instances.recording
        job = await instances.record(instances.clients["leaving"], seconds=300, ways=["stubborn"])
        await recording.wait_for(job, 1)
        other = await instances.start("other", queues="work=0")
        instances.send("leaving", signal.SIGTERM)
        assert await ended(instances.processes["leaving"]) == 0
        assert recording.processes() == set()
        task = await task_of(other, job)
        assert (task["state"], task["attempt"], task["error"]) == ("queued", 1, None)


async def a_second_sigterm_cuts_the_drain_short(fleet_of):
    async with fleet_of("leaving", queues="work=4", drain=3600, notice=3600) as instances:
        recording, leaving = instances.recording, instances.clients["leaving"]
        job = await instances.record(leaving, seconds=300)
        await recording.wait_for(job, 1)
        other = await instances.start("other", queues="work=0")
        instances.send("leaving", signal.SIGTERM)
        with trio.fail_after(HANG):
            while (await leaving.get("/readyz")).status_code != 503:
                await trio.sleep(0.02)
        await trio.sleep(1.1 * ECHO)
        assert instances.processes["leaving"].poll() is None
        assert recording.processes() != set()
        instances.send("leaving", signal.SIGTERM)
        assert await ended(instances.processes["leaving"]) == 0
        assert recording.processes() == set()
        task = await task_of(other, job)
        assert (task["state"], task["attempt"]) == ("queued", 1)


async def test_jobs_and_engines_stop_whatever_their_children_do(fleet_of):
    scenarios = (
        a_stubborn_child_is_killed_and_its_slot_kept_until_then,
        sigterm_ends_an_engine_with_a_stubborn_child_and_hands_its_task_back,
        a_second_sigterm_cuts_the_drain_short,
    )
    await side_by_side(scenarios, fleet_of)
