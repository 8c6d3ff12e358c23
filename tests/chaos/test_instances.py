"""Several real instances on one embedded database: kills, stops, restarts, with a short lease."""

import signal
from contextlib import AsyncExitStack

import trio

from tests.chaos.recording import PLUGIN, Recording
from tests.side_by_side import side_by_side
from tests.support.serving import ended_job, lines_of, post_job, serving

LEASE = 3
HANG = 60.0  # seconds; only what is wrong takes so long


async def task_in(state, client, job_id):
    """Wait until the one task of a job is in a state; gives its attempt."""
    with trio.fail_after(HANG):
        while True:
            tasks = (await client.get(f"/jobs/{job_id}")).json()["tasks"]
            if [task["state"] for task in tasks] == [state]:
                return tasks[0]["attempt"]
            await trio.sleep(0.05)


async def started(client, job_id, times):
    """Wait until its log says so often that its task was started."""
    with trio.fail_after(HANG):
        while await starts(client, job_id) < times:
            await trio.sleep(0.05)


async def starts(client, job_id):
    messages = [line["message"] for line in await lines_of(client, job_id)]
    return messages.count("Task 'sleep' started")


async def the_work_of_a_killed_instance_is_done_by_another(tmp_path):
    """It makes the database, too, and leaves it to the other."""
    folder = tmp_path / "killed"
    folder.mkdir()
    recording = Recording(folder)
    settings = {"lease": LEASE, "workflows": PLUGIN / "workflows", "queues": "work=5"}
    endless = {"log": str(recording.log), "seconds": 0.1, "ways": ["endless"]}  # at first
    async with AsyncExitStack() as stack:
        doomed = serving(folder / "var", name="doomed", dies=True, **settings)
        _, client = await stack.enter_async_context(doomed)
        await client.post("/settings", json={"name": "max_jobs", "setting": "40"})
        jobs = [await post_job(client, "record", **endless) for _ in range(5)]
        for job_id in jobs:
            await recording.wait_for(job_id, 1)
        async with serving(folder / "var", name="survivor", **settings) as (_, survivor):
            await stack.aclose()
            for job_id in jobs:
                job = await ended_job(survivor, job_id)
                assert not job["failed"]
                assert [task["attempt"] for task in job["tasks"]] == [2]


async def an_instance_that_wakes_from_a_stop_finds_its_work_gone(tmp_path):
    data = tmp_path / "stopped/var"
    data.parent.mkdir()
    async with (
        serving(data, lease=LEASE, name="sleeper") as (sleeper, _),
        serving(data, lease=LEASE, name="other", queues="work=0") as (_, other),
    ):
        job_id = await post_job(other, "sleep", seconds=600)
        await started(other, job_id, times=1)
        sleeper.send_signal(signal.SIGSTOP)
        await task_in("queued", other, job_id)
        sleeper.send_signal(signal.SIGCONT)
        assert await task_in("working", other, job_id) == 2
        await started(other, job_id, times=2)
        await other.put(f"/job/{job_id}", json={"client": "acme", "queue_state": "broken"})
        await task_in("cancelled", other, job_id)
        assert await starts(other, job_id) == 2


async def sigterm_hands_a_long_task_back_without_spending_a_retry(tmp_path):
    data = tmp_path / "leaving/var"
    data.parent.mkdir()
    async with serving(data, lease=LEASE, name="other", queues="work=0") as (_, other):
        async with serving(data, lease=LEASE, drain=1, name="leaving") as (_, leaving):
            job_id = await post_job(leaving, "sleep", seconds=600)
            await task_in("working", leaving, job_id)
        [task] = (await other.get(f"/jobs/{job_id}")).json()["tasks"]
        assert (task["state"], task["attempt"]) == ("queued", 1)


async def test_instances_take_over_from_each_other(tmp_path, recording_plugin):
    scenarios = (
        the_work_of_a_killed_instance_is_done_by_another,
        an_instance_that_wakes_from_a_stop_finds_its_work_gone,
        sigterm_hands_a_long_task_back_without_spending_a_retry,
    )
    await side_by_side(scenarios, tmp_path)
