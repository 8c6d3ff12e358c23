"""A full disk is a failed attempt with a clear error, not the end of the engine."""

import errno
import os

import trio

from taskengine.model import JobState
from taskengine.testing.virtual import actions_with, instance, workflow

FULL = "OSError: [Errno 28] No space left on device"


async def write_to_a_full_disk(context):
    with open("/dev/full", "wb", buffering=0) as file:
        file.write(b"x")


async def test_an_action_that_meets_a_full_disk_fails_and_is_tried_again(
    memory_store, autojump_clock
):
    await memory_store.put_setting("", "retry_limit", "1")
    async with instance(memory_store, actions=actions_with(write=write_to_a_full_disk)) as engine:
        job_id = await engine.submit(workflow(("only", "test.write")))
        await trio.sleep(60)
        details = await engine.job(job_id)
        assert (details.job.state, details.job.failed) == (JobState.COMPLETED, True)
        assert (details.tasks[0].attempt, details.tasks[0].error) == (2, FULL)
        assert ("controller", f"job has failed: 'only' failed: {FULL}") in await engine.lines(
            job_id
        )


async def test_a_scratch_folder_that_cannot_be_made_fails_the_attempt_alone(
    memory_store, autojump_clock, monkeypatch
):
    def full(self, attempt):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with instance(memory_store) as engine:
        with monkeypatch.context() as patch:
            patch.setattr("taskengine.testing.virtual.VirtualEnvironment.scratch_for", full)
            first = await engine.submit(workflow("only"))
            await trio.sleep(2)
        second = await engine.submit(workflow("only"))
        await trio.sleep(60)
        for job_id, attempt in ((first, 2), (second, 1)):
            details = await engine.job(job_id)
            assert (details.job.failed, details.tasks[0].attempt) == (False, attempt)
