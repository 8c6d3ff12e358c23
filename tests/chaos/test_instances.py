"""Several real instances on one database: kills, stops and restarts, with a short lease."""

import signal
from collections import Counter
from contextlib import AsyncExitStack

import trio

from tests.e2e.serving import ended_job, lines_of, post_job, serving

LEASE = 3


async def claimed(client, job_id, attempt=1, seconds=10.0):
    """Wait until the first task of a job works on an attempt; gives the task."""
    with trio.fail_after(seconds):
        while True:
            tasks = (await client.get(f"/jobs/{job_id}")).json()["tasks"]
            if tasks and tasks[0]["state"] == "working" and tasks[0]["attempt"] == attempt:
                return tasks[0]
            await trio.sleep(0.05)


async def told_started(client, job_id, times, seconds=10.0):
    """Wait until a job's log tells so often that its task started: it does after the claim."""
    with trio.fail_after(seconds):
        while True:
            messages = [line["message"] for line in await lines_of(client, job_id)]
            if messages.count("Task 'sleep' started") == times:
                return
            await trio.sleep(0.05)


async def test_the_work_of_a_killed_instance_is_done_by_another(tmp_path):
    data = tmp_path / "var"
    async with serving(data, lease=LEASE, name="survivor", queues="work=2") as (_, survivor):
        async with AsyncExitStack() as stack:
            doomed, client = await stack.enter_async_context(
                serving(data, lease=LEASE, name="doomed", dies=True)
            )
            await client.post("/settings", json={"name": "max_jobs", "setting": "40"})
            jobs = [await post_job(client, "sleep", seconds=5) for _ in range(5)]
            for job_id in jobs:
                await claimed(client, job_id)
            doomed.send_signal(signal.SIGKILL)
            doomed.wait()
        killed = trio.current_time()
        ends = [await ended_job(survivor, job_id, 60) for job_id in jobs]
        assert trio.current_time() - killed < 40
        assert not any(job["failed"] for job in ends)
        attempts = Counter(job["tasks"][0]["attempt"] for job in ends)
        assert attempts[1] <= 2, "the survivor has two places: the others were the killed one's"
        assert attempts[1] + attempts[2] == 5


async def test_an_instance_that_wakes_from_a_stop_finds_its_work_gone(tmp_path):
    data = tmp_path / "var"
    async with (
        serving(data, lease=LEASE, name="sleeper") as (sleeper, _),
        serving(data, lease=LEASE, name="other", queues="work=0") as (_, other),
    ):
        job_id = await post_job(other, "sleep", seconds=30)
        task = await claimed(other, job_id)
        await told_started(other, job_id, 1)
        sleeper.send_signal(signal.SIGSTOP)
        with trio.fail_after(4 * LEASE):
            while task["state"] != "queued":
                await trio.sleep(0.1)
                [task] = (await other.get(f"/jobs/{job_id}")).json()["tasks"]
        sleeper.send_signal(signal.SIGCONT)
        task = await claimed(other, job_id, attempt=2)
        await told_started(other, job_id, 2)
        await other.put(f"/job/{job_id}", json={"client": "acme", "queue_state": "broken"})
        with trio.fail_after(10):
            while task["state"] == "working":
                await trio.sleep(0.05)
                [task] = (await other.get(f"/jobs/{job_id}")).json()["tasks"]
        assert task["state"] == "cancelled"


async def test_sigterm_hands_a_long_task_back_without_spending_a_retry(tmp_path):
    data = tmp_path / "var"
    async with serving(data, lease=LEASE, name="other", queues="work=0") as (_, other):
        async with serving(data, lease=LEASE, drain=1, name="leaving") as (_, leaving):
            job_id = await post_job(leaving, "sleep", seconds=60)
            await claimed(leaving, job_id)
        [task] = (await other.get(f"/jobs/{job_id}")).json()["tasks"]
        assert (task["state"], task["attempt"]) == ("queued", 1)
